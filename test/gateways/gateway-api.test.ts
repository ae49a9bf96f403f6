// What GatewayAPI posts, beyond the fixtures: whom posts of either generation are taken from, repeats, and fields
// of another kind than promised.
import { createHmac } from 'node:crypto'
import type { RequestHandler } from 'express'
import request from 'supertest'
import { type GatewayApiOptions, gatewayApi } from '../../lib/gateways/gateway-api.ts'
import { createRouter } from '../../lib/inbound/router.ts'
import { manualClock } from '../support/manual-clock.ts'
import { hostApp, receiving, versions } from '../support/receiving.ts'
import { recorder } from '../support/recorder.ts'

const [tokenText, key] = ['legacy-token-text', 'messaging-key']
const start = Date.UTC(2026, 0, 1)
const day = 86_400_000

const message = { id: 7, msisdn: 61491570157, receiver: 1204, message: 'Hi', senttime: 1767225600 }
const envelope = {
  event_id: '7b0a6a4e-3f5c-4a55-9d0a-2f2f6a1f9b01',
  timestamp: '2026-01-01T00:00:00.000000Z',
  event_type: 'user-message.text.sms',
  event: { msg_id: '01JNN696A9E0WS89FPYGT15NBX', sender: 61491570157, content: { message: 'Hi' } },
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

const jwtOf = (claims: unknown, { secret = tokenText, alg = 'HS256', hash = 'sha256', more = {} } = {}) => {
  const signed = `${base64url({ typ: 'JWT', alg, ...more })}.${base64url(claims)}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}

const macOf = (body: unknown, secret = key) =>
  createHmac('sha256', secret).update(JSON.stringify(body)).digest('hex')

type Headers = Record<string, string>
const legacy = (token: string): Headers => ({ 'x-gwapi-signature': token })
const messaging = (mac: string): Headers => ({ signature: mac })

const open = (options: GatewayApiOptions = { secret: [tokenText, key] }, now = start) => {
  const received = receiving({ gateways: { api: gatewayApi(options) }, clock: manualClock(now) })
  const app = hostApp(versions[0]![1], ['/sms', received.router])
  const post = (body: unknown, headers: Headers = {}, path = '') =>
    request(app)
      .post(`/sms/api${path}`)
      .set(headers)
      .type('application/json')
      .send(typeof body === 'string' ? body : JSON.stringify(body))
  return { ...received, post }
}

describe('what proves a legacy post', () => {
  const refused: [string, Headers, string, RegExp][] = [
    ['nothing', {}, 'signature-missing', /no token/],
    ['an empty header', legacy(' '), 'signature-missing', /no token/],
    ['no token', legacy('abc'), 'signature-malformed', /no JSON Web Token/],
    ['three dots', legacy('..'), 'signature-malformed', /no JSON Web Token/],
    ['a token after Bearer', legacy(`Bearer ${jwtOf(message)}`), 'signature-malformed', /no JSON Web/],
    ['another secret', legacy(jwtOf(message, { secret: 'other' })), 'signature-mismatch', /none of the/],
    ['no signature', legacy(jwtOf(message).replace(/[^.]+$/, '')), 'signature-mismatch', /none of the/],
    ['half a signature', legacy(jwtOf(message).slice(0, -20)), 'signature-mismatch', /none of the/],
    ['HS512', legacy(jwtOf(message, { alg: 'HS512', hash: 'sha512' })), 'signature-mismatch', /algorithm/],
    ['HS384 by name', legacy(jwtOf(message, { alg: 'HS384' })), 'signature-mismatch', /algorithm/],
    ['RS256 by name', legacy(jwtOf(message, { alg: 'RS256' })), 'signature-mismatch', /algorithm/],
    [
      'none',
      legacy(`${base64url({ alg: 'none' })}.${base64url(message)}.`),
      'signature-mismatch',
      /algorithm/,
    ],
    [
      'NONE',
      legacy(`${base64url({ alg: 'NONE' })}.${base64url(message)}.`),
      'signature-mismatch',
      /algorithm/,
    ],
    ['an expired one', legacy(jwtOf({ ...message, exp: 1767225000 })), 'signature-stale', /600 seconds ago/],
    [
      'one not yet valid',
      legacy(jwtOf({ ...message, nbf: 1767225700 })),
      'signature-stale',
      /in 100 seconds/,
    ],
    ['claims with more', legacy(jwtOf({ ...message, sender: null })), 'signature-mismatch', /another than/],
    ['claims with less', legacy(jwtOf({ id: 7, message: 'Hi' })), 'signature-mismatch', /another than/],
    ['claims of another kind', legacy(jwtOf({ ...message, id: '7' })), 'signature-mismatch', /another than/],
    ['a list of claims', legacy(jwtOf([message])), 'signature-malformed', /no JSON Web Token/],
    ['the MAC of the other generation', messaging(`v1=${macOf(message)}`), 'signature-missing', /no token/],
    [
      'that MAC, and a token over another body',
      { ...messaging(`v1=${macOf(message)}`), ...legacy(jwtOf({ id: 7 })) },
      'signature-mismatch',
      /another than/,
    ],
  ]

  test.each(refused)('not %s', async (_what, headers, code, reason) => {
    const { post, events, rejections, unreadable } = open()
    await post(message, headers).expect(401, code)
    expect(rejections).toMatchObject([{ code, reason: expect.stringMatching(reason) }])
    expect(JSON.stringify(rejections)).not.toMatch(/legacy-token-text|messaging-key/)
    expect([events, unreadable]).toEqual([[], []])
  })

  test('any of the secrets, the body spelt in any way', async () => {
    const { post, events } = open({ secret: ['old', undefined, 'new\n'] })
    for (const secret of ['old', 'new']) {
      const headers = { ...legacy(jwtOf(message, { secret })), ...messaging('v1=00') }
      await post(JSON.stringify(message, null, 3), headers).expect(200, '')
      await post(Object.fromEntries(Object.entries(message).reverse()), headers).expect(200)
    }
    expect(events).toHaveLength(4)
  })

  test('names from the prototype are names like others', async () => {
    const { post, events } = open()
    const hostile = '{"id":7,"message":"Hi","__proto__":{"receiver":1},"constructor":1}'
    await post(hostile, legacy(jwtOf(JSON.parse(hostile)))).expect(200)
    await post(hostile, legacy(jwtOf({ id: 7, message: 'Hi', constructor: 1 }))).expect(401)
    await post({ id: 7, message: 'Hi', constructor: 1 }, legacy(jwtOf(JSON.parse(hostile)))).expect(401)
    expect(events).toMatchObject([{ text: 'Hi', to: null }])
  })

  test('its age is not looked at, since it says nowhere when it was signed', async () => {
    const { post, events } = open(undefined, start + 30 * day)
    await post(message, legacy(jwtOf(message))).expect(200)
    expect(events).toHaveLength(1)
  })
})

describe('what proves a messaging post', () => {
  const mac = macOf(envelope)
  const refused: [string, Headers, string][] = [
    ['nothing', {}, 'signature-missing'],
    ['an empty header', messaging(' '), 'signature-missing'],
    ['no digest', messaging('v1='), 'signature-missing'],
    ['no version', messaging(mac), 'signature-malformed'],
    ['another version', messaging(`v2=${mac}`), 'signature-malformed'],
    ['no hex', messaging(`v1=${'z'.repeat(64)}`), 'signature-malformed'],
    ['too short', messaging(`v1=${mac.slice(2)}`), 'signature-malformed'],
    ['too long', messaging(`v1=${mac}00`), 'signature-malformed'],
    ['base64', messaging(`v1=${Buffer.from(mac, 'hex').toString('base64')}`), 'signature-malformed'],
    ['another key', messaging(`v1=${macOf(envelope, 'other')}`), 'signature-mismatch'],
    ['no key', messaging(`v1=${macOf(envelope, '')}`), 'signature-mismatch'],
    ['another body', messaging(`v1=${macOf({ ...envelope, event_id: 'x' })}`), 'signature-mismatch'],
    ['only a token over it', legacy(jwtOf(envelope)), 'signature-missing'],
    [
      'a token over it and a wrong MAC',
      { ...legacy(jwtOf(envelope)), ...messaging('v1=00') },
      'signature-malformed',
    ],
  ]

  test.each(refused)('not %s', async (_what, headers, code) => {
    const { post, events, rejections } = open()
    await post(envelope, headers).expect(401, code)
    expect(rejections).toMatchObject([{ code }])
    expect(JSON.stringify(rejections)).not.toMatch(/legacy-token-text|messaging-key/)
    expect(events).toEqual([])
  })

  test('any of the secrets over the very bytes, whatever the other header says', async () => {
    const { post, events } = open()
    await post(envelope, { ...messaging(`v1=${mac}`), ...legacy('abc') }).expect(200, '')
    await post(envelope, messaging(`v1=${macOf(envelope, tokenText).toUpperCase()}`)).expect(200)
    await post(JSON.stringify(envelope, null, 1), messaging(`v1=${mac}`)).expect(401, 'signature-mismatch')
    expect(events).toHaveLength(2)
  })

  test.each([
    [undefined, 7 * day, 200],
    [undefined, 7 * day + 1, 401],
    [undefined, -7 * day - 1, 401],
    [day, day, 200],
    [day, day + 1_000, 401],
  ])('with the tolerance %p, %i ms later', async (toleranceMs, later, status) => {
    const { post, rejections } = open({ secret: key, toleranceMs }, start + later)
    await post(envelope, messaging(`v1=${mac}`)).expect(status)
    expect(rejections.map(({ code }) => code)).toEqual(status === 200 ? [] : ['signature-stale'])
  })
})

describe('what is no post of either generation', () => {
  test.each([
    '',
    '[]',
    'null',
    '7',
    '"x"',
    '{}',
    '{"id":7}',
    '{"event_id":"x"}',
    '[[[',
    '{"event_id":1,"event_type":{}}',
  ])('%j is unreadable once it is proven, and never before', async (body) => {
    const { post, unreadable } = open()
    const proof = messaging(`v1=${createHmac('sha256', key).update(body).digest('hex')}`)
    await post(body, proof).expect(400, 'body-unreadable')
    for (const headers of [{}, messaging('v1=00'), legacy('abc'), legacy(jwtOf(message))])
      await post(body, headers).expect(401)
    expect(unreadable).toHaveLength(1)
  })
})

describe('a token', () => {
  test('alone is enough, and comes on top of a signature', async () => {
    const alone = open({ token: 'a-token' })
    await alone.post(message, {}, '/a-token').expect(200)
    await alone.post(envelope, {}, '/a-token').expect(200)
    await alone.post(envelope).expect(401, 'token-missing')
    const both = open({ token: 'a-token', secret: key })
    const headers = messaging(`v1=${macOf(envelope)}`)
    await both.post(envelope, headers, '/a-token').expect(200)
    await both.post(envelope, headers, '/b-token').expect(401, 'token-mismatch')
    await both.post(envelope, {}, '?token=a-token').expect(401, 'signature-missing')
  })
})

describe('bytes that an earlier parser ate', () => {
  const eaten = (options: GatewayApiOptions, kept = false) => {
    const [, express] = versions[0]!
    const logger = recorder()
    const parts = { accept: async () => {}, logger, clock: manualClock(start) }
    const router = createRouter({ gateways: { api: gatewayApi(options) }, ...parts })
    const keep = (incoming: object, _response: unknown, bytes: Buffer) =>
      Object.assign(incoming, { rawBody: bytes })
    const json: RequestHandler = express.json(kept ? { verify: keep } : {})
    const app = hostApp(express, ['/', json], ['/sms', router])
    const post = (body: object, headers: Headers) => request(app).post('/sms/api').set(headers).send(body)
    return { post, logger }
  }
  const posts: [object, Headers][] = [
    [message, legacy(jwtOf(message))],
    [envelope, messaging(`v1=${macOf(envelope)}`)],
    [envelope, {}],
  ]

  test('are an error of the set-up for every message, with the fix in the log', async () => {
    const { post, logger } = eaten({ secret: [tokenText, key] })
    for (const [body, headers] of posts) await post(body, headers).expect(500, 'body-consumed')
    expect(JSON.stringify(logger.lines)).toMatch(/express\.json\(\).*mount smshook before/)
  })

  test('are not missed where they were kept, or nothing is signed', async () => {
    for (const [body, headers] of posts.slice(0, 2)) {
      await eaten({ secret: [tokenText, key] }, true)
        .post(body, headers)
        .expect(200)
      await eaten({ allowUnauthenticated: true }).post(body, {}).expect(200)
    }
  })
})

describe('identities', () => {
  test('tell apart what is not a repeat', async () => {
    const { post, events } = open({ allowUnauthenticated: true })
    const status = { id: 7, msisdn: 61491570157, time: 1767225600, status: 'ENROUTE' }
    const changes = [{}, { time: 1767225601 }, { status: 'DELIVERED' }, { msisdn: 61491570158 }, { id: 8 }]
    for (const change of changes) await post({ ...status, ...change }).expect(200)
    await post(message).expect(200)
    const huge = (text: string) => `{"id":9007199254740993,"receiver":1204,"message":"${text}"}`
    for (const text of ['Yes', 'No', 'Yes']) await post(huge(text)).expect(200)
    const identities = events.map(({ identity }) => identity)
    // Such ids are one number in JavaScript, and better twice than never.
    expect(new Set(identities).size).toBe(identities.length)
  })

  test('without an id, what was said at a time stands for it', async () => {
    const { post, events } = open({ allowUnauthenticated: true })
    const { id: _id, ...rest } = message
    for (const text of ['Yes', 'Yes', 'No']) await post({ ...rest, message: text }).expect(200)
    const [yes, again, no] = events.map(({ identity }) => identity)
    expect(again).toBe(yes)
    expect(no).not.toBe(yes)
    expect(events[0]?.notes).toEqual(['identity:hash'])
  })
})

describe('a file', () => {
  const url = 'https://files.example.com/a'
  const plain = { contentType: 'application/octet-stream', name: null, size: null, data: null, url }
  test.each([
    [url, [plain]],
    [
      { fileUri: url, mimeType: 'image/png', fileName: 'a.png', fileSizeBytes: '12' },
      [{ ...plain, contentType: 'image/png', name: 'a.png', size: 12 }],
    ],
    [{ url, size: -1 }, [plain]],
    [{ url, size: 1.5 }, [plain]],
    ['javascript:alert(1)', []],
    [{ file_uri: 'file:///etc/passwd' }, []],
    [null, []],
    [[url], []],
  ])('%j', async (payload, media) => {
    const { post, events } = open({ allowUnauthenticated: true })
    const event = { ...envelope.event, content: { payload } }
    await post({ ...envelope, event_type: 'user-message.file.rcs', event }).expect(200)
    expect(events).toMatchObject([{ type: 'message.received', text: null, media }])
  })
})
