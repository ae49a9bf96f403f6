// Whom posts of SMS Gateway for Android are taken from.
import { createHmac } from 'node:crypto'
import express from 'express'
import request from 'supertest'
import { type SmsGateOptions, smsGate } from '../../lib/gateways/sms-gate.ts'
import { gatewayRequest } from '../../lib/inbound/request.ts'
import { manualClock } from '../support/manual-clock.ts'
import { hostApp, receiving } from '../support/receiving.ts'

const now = Date.UTC(2026, 0, 1)
const seconds = String(now / 1_000)
const secret = 'aB3dE6gH'
const message = {
  message: 'it\u2019s me',
  receivedAt: '2025-12-31T23:59:58.000Z',
  messageId: '1f2e3d4c',
  phoneNumber: '+12025550199',
  sender: '+12025550199',
}
const post = (fields: object = {}) =>
  JSON.stringify({ deviceId: 'phone-1', event: 'sms:received', id: 'e-1', payload: message, ...fields })
const body = post()

const mac = (signed = body + seconds, key = secret, algorithm = 'sha256') =>
  createHmac(algorithm, key).update(signed).digest('hex')

const headersOf = (
  signature: string | string[] | undefined = mac(),
  timestamp: string | undefined = seconds,
) => ({
  'x-signature': signature,
  'x-timestamp': timestamp,
})

const requestOf = (headers: object, text: string | Buffer = body) =>
  gatewayRequest(
    { method: 'POST', headers } as never,
    { token: null, search: '' },
    { bytes: Buffer.from(text as string), parsed: undefined },
    now,
  )

const verdict = async (options: SmsGateOptions, headers: object, text?: string | Buffer) => {
  try {
    await smsGate(options).verify(requestOf(headers, text))
    return 'verified'
  } catch (error) {
    expect(error).toMatchObject({ name: 'VerificationError', message: expect.not.stringContaining(secret) })
    return (error as { code: string }).code
  }
}

describe('the signature of a phone', () => {
  test.each<[string, string, object]>([
    ['right', 'verified', headersOf()],
    ['in capitals', 'verified', headersOf(mac().toUpperCase())],
    ['absent', 'signature-missing', {}],
    ['absent, with a time', 'signature-missing', { 'x-timestamp': seconds }],
    ['empty', 'signature-missing', headersOf('')],
    ['not hex', 'signature-malformed', headersOf('z'.repeat(64))],
    ['in base64', 'signature-malformed', headersOf(Buffer.from(mac(), 'hex').toString('base64'))],
    ['too short', 'signature-malformed', headersOf(mac().slice(2))],
    ['too long', 'signature-malformed', headersOf(`${mac()}00`)],
    ['there twice', 'signature-malformed', headersOf([mac(), mac()])],
    ['of another algorithm, shorter', 'signature-malformed', headersOf(mac(body + seconds, secret, 'sha1'))],
    ['of another algorithm, longer', 'signature-malformed', headersOf(mac(body + seconds, secret, 'sha512'))],
    [
      'of another algorithm, as long',
      'signature-mismatch',
      headersOf(mac(body + seconds, secret, 'sha3-256')),
    ],
    ['of another key', 'signature-mismatch', headersOf(mac(body + seconds, 'aB3dE6gI'))],
    ['of no key', 'signature-mismatch', headersOf(mac(body + seconds, ''))],
    ['of another body', 'signature-mismatch', headersOf(mac(body.replace('me', 'us') + seconds))],
    ['of the body alone', 'signature-mismatch', headersOf(mac(body))],
    ['of the time in front', 'signature-mismatch', headersOf(mac(seconds + body))],
    ['of another time', 'signature-mismatch', headersOf(mac(), '1767225601')],
    ['without its time', 'signature-missing', { 'x-signature': mac() }],
    ['with a time that is empty', 'signature-missing', headersOf(mac(body), '')],
    ['with a time before the epoch', 'signature-malformed', headersOf(mac(`${body}-1`), '-1')],
    ['with a time that has a fraction', 'signature-malformed', headersOf(mac(`${body}1.5`), '1.5')],
    ['with a time in hex', 'signature-malformed', headersOf(mac(`${body}0x5`), '0x5')],
    ['with endless digits', 'signature-malformed', headersOf(mac(body + '9'.repeat(400)), '9'.repeat(400))],
    ['with a time in milliseconds', 'signature-malformed', headersOf(mac(body + now), String(now))],
  ])('%s: %s', async (_what, expected, headers) => {
    expect(await verdict({ secret }, headers)).toBe(expected)
  })

  test('is over the bytes as they came, which may be no UTF-8', async () => {
    const bytes = Buffer.concat([Buffer.from(body), Buffer.from([0xff, 0xfe])])
    const signature = createHmac('sha256', secret).update(bytes).update(seconds).digest('hex')
    expect(await verdict({ secret }, headersOf(signature), bytes)).toBe('verified')
    expect(await verdict({ secret }, headersOf(signature), bytes.toString())).toBe('signature-mismatch')
  })

  test.each<[SmsGateOptions, number, string]>([
    [{}, 300, 'verified'],
    [{}, 301, 'signature-stale'],
    [{}, -300, 'verified'],
    [{}, -301, 'signature-stale'],
    [{ toleranceMs: 10_000 }, 10, 'verified'],
    [{ toleranceMs: 10_000 }, 11, 'signature-stale'],
    [{ toleranceMs: false }, 1_000_000_000, 'verified'],
    [{ toleranceMs: undefined }, 301, 'signature-stale'],
  ])('with %j, one of %i seconds ago: %s', async (options, ago, expected) => {
    const timestamp = String(now / 1_000 - ago)
    const headers = headersOf(mac(body + timestamp), timestamp)
    expect(await verdict({ secret, ...options }, headers)).toBe(expected)
    // Whoever does not know the key is not told how far our clock is from theirs.
    expect(await verdict({ secret: 'other', ...options }, headers)).toBe('signature-mismatch')
  })

  test.each<[SmsGateOptions['secret'], string]>([
    [['old', secret], 'verified'],
    [[secret, undefined, 'new'], 'verified'],
    [`${secret}\n`, 'verified'],
    [['old', 'new'], 'signature-mismatch'],
  ])('with the secrets %j: %s', async (secrets, expected) => {
    expect(await verdict({ secret: secrets }, headersOf())).toBe(expected)
  })
})

describe('a secret for each device', () => {
  test.each<[string, (deviceId: string) => unknown, string]>([
    ['a text', () => secret, 'verified'],
    ['a text from a file', () => `${secret}\n`, 'verified'],
    ['a promise', async () => secret, 'verified'],
    ['a list', () => ['old', undefined, secret], 'verified'],
    ['a promise of a list', async () => ['old', secret], 'verified'],
    ['another', () => 'other', 'signature-mismatch'],
    ['nothing', () => undefined, 'signature-mismatch'],
    ['null', async () => null, 'signature-mismatch'],
    ['a blank', () => ' ', 'signature-mismatch'],
    ['a list of blanks', () => ['', undefined], 'signature-mismatch'],
    ['what is no text', () => Object.prototype.toString, 'signature-mismatch'],
  ])('%s', async (_what, ask, expected) => {
    expect(await verdict({ secret: ask as never }, headersOf())).toBe(expected)
  })

  test('is asked for by the id of the device, and only for what could be signed', async () => {
    const asked: string[] = []
    const ask = (deviceId: string) => {
      asked.push(deviceId)
      return deviceId === 'phone-1' ? secret : null
    }
    for (const headers of [{}, headersOf(''), headersOf(mac(), 'soon')])
      await verdict({ secret: ask }, headers)
    expect(asked).toEqual([])
    for (const deviceId of ['phone-1', '__proto__', 7, '', ' ', null, undefined, {}, ['phone-1']])
      await verdict({ secret: ask }, headersOf(), post({ deviceId }))
    expect(asked).toEqual(['phone-1', '__proto__', '7'])
    // A body that is none proves nothing.
    expect(await verdict({ secret: ask }, headersOf(), '{')).toBe('signature-mismatch')
  })

  const broken = (): never => {
    throw new Error(`no ${secret}`)
  }
  test.each([
    ['one that throws', broken],
    ['one that rejects', async () => broken()],
  ])('%s: the phone is told to try again, and the log says so', async (_what, ask) => {
    const { router, events, logger } = receiving({
      gateway: smsGate({ secret: ask }),
      clock: manualClock(now),
    })
    const sending = request(hostApp(express, ['/sms', router]))
      .post('/sms')
      .set(headersOf() as never)
    await sending.type('json').send(body).expect(503, 'gateway-failed')
    expect(events).toEqual([])
    expect(logger.lines).toMatchObject([
      { level: 'error', message: expect.stringMatching(/told to try again/) },
    ])
    expect(JSON.stringify(logger.lines)).not.toContain(secret)
  })
})

const open = (options: SmsGateOptions) => {
  const received = receiving({ gateway: smsGate(options), clock: manualClock(now) })
  const app = (parser: express.RequestHandler = (_request, _response, next) => next()) =>
    hostApp(express, ['/', parser], ['/sms', received.router])
  const send = (text: string, headers: object = {}, path = '', parser?: express.RequestHandler) =>
    request(app(parser))
      .post(`/sms${path}`)
      .set(headers as never)
      .type('json')
      .send(text)
  return { ...received, send }
}

describe('on the wire', () => {
  test('a token alone', async () => {
    const { send, events } = open({ token: 't0ken', tokenHeader: 'x-sms-token' })
    await send(body, {}, '/t0ken').expect(200)
    await send(body, {}, '?token=t0ken').expect(200)
    await send(body, { 'x-sms-token': 't0ken' }).expect(200)
    await send(body, { authorization: `Basic ${Buffer.from('x:t0ken').toString('base64')}` }).expect(200)
    await send(body, {}, '/other').expect(401)
    expect(events).toHaveLength(4)
  })

  test.each([
    ['a text', secret],
    ['a function', () => secret],
  ])('a token on top of a signature by %s: both must be right', async (_what, one) => {
    const { send, events, rejections } = open({ token: 't0ken', secret: one })
    await send(body, headersOf(), '/t0ken').expect(200)
    await send(body, headersOf(), '/other').expect(401)
    await send(body, headersOf()).expect(401)
    await send(body, {}, '/t0ken').expect(401)
    await send(body, headersOf(mac(body)), '/t0ken').expect(401)
    const codes = ['token-mismatch', 'token-missing', 'signature-missing', 'signature-mismatch']
    expect(rejections.map(({ code }) => code)).toEqual(codes)
    expect(events).toHaveLength(1)
  })

  test.each([
    ['a text', secret],
    ['a function', () => secret],
  ])('where the secret is %s, a parser that ate the bytes is found out by every post', async (_what, one) => {
    const { send, logger, events } = open({ secret: one })
    for (const text of [body, post({ payload: {} }), '{}']) {
      const headers = headersOf(mac(text + seconds))
      await send(text, headers, '', express.json()).expect(500, 'body-consumed')
    }
    expect(events).toEqual([])
    expect(logger.lines[0]).toMatchObject({ level: 'error', details: { code: 'body-consumed' } })
    expect(JSON.stringify(logger.lines)).toMatch(
      /express\.json\(\) in front of smshook.*mount smshook before/,
    )
  })

  test('without a secret, what the parser made of the bytes will do', async () => {
    const { send, events } = open({ token: 't0ken' })
    await send(body, {}, '/t0ken', express.json()).expect(200)
    expect(events).toMatchObject([{ text: 'it\u2019s me', identity: '["phone-1","e-1"]' }])
  })

  test('an MMS of several megabytes', async () => {
    const { send, events } = open({ secret })
    const data = 'A'.repeat(8 * 1024 * 1024)
    const mms = post({
      event: 'mms:downloaded',
      payload: { attachments: [{ contentType: 'image/png', data }] },
    })
    await send(mms, headersOf(mac(mms + seconds))).expect(200)
    expect(events[0]?.media[0]?.data).toHaveLength(data.length)
  })
})
