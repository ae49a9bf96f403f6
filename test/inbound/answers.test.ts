// Every row of the table of answers, and what is handed on in each case.
import type { RequestListener } from 'node:http'
import request from 'supertest'
import { EngineError, PayloadError } from '../../lib/errors.ts'
import type { Gateway } from '../../lib/gateway.ts'
import { urlNetworks } from '../../lib/gateways/url-networks.ts'
import { deferred } from '../support/deferred.ts'
import { manualClock, settled } from '../support/manual-clock.ts'
import { documentedBody, hostApp, type Receiving, receiving, token, versions } from '../support/receiving.ts'
import { until } from '../support/until.ts'

const nothingKept = ({ events, unreadable }: Receiving) => expect([events, unreadable]).toEqual([[], []])

describe.each(versions)('answers on %s', (_name, express) => {
  const post = (received: Receiving, path = `/sms/pbx/${token}`, body: string | Buffer = documentedBody) =>
    request(hostApp(express, ['/sms', received.router]))
      .post(path)
      .type('form')
      .send(body as string)

  test('stored: 200, an empty body, not to be cached', async () => {
    const clock = manualClock(Date.UTC(2026, 4, 6, 7, 8, 9))
    const received = receiving({ clock })
    const answer = await post(received).expect(200)
    expect(answer.text).toBe('')
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', 'content-length': '0' })
    expect(received.events).toHaveLength(1)
    expect(received.events[0]).toMatchObject({
      id: expect.stringMatching(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/),
      gateway: 'pbx',
      identity: '297abf7f-99d9-4b7d-9c46-1d7c13687b11',
      receivedAt: '2026-05-06T07:08:09.000Z',
    })
    expect(received.rejections).toEqual([])
  })

  test('200 only once accept has resolved', async () => {
    const stored = deferred()
    let accepts = 0
    const received = receiving({
      accept: () => {
        accepts += 1
        return stored.promise
      },
    })
    const answers: number[] = []
    const posts = [1, 2, 3].map(() => post(received).then(({ status }) => answers.push(status)))
    await until(() => accepts === 3)
    // Another request goes all the way through meanwhile; had a 200 been sent, it would be here by now.
    await post(received, '/sms/unknown').expect(404)
    expect(answers).toEqual([])
    stored.resolve()
    await Promise.all(posts)
    expect(answers).toEqual([200, 200, 200])
  })

  test('accept is called once for a request, whatever number of events is in it', async () => {
    const twin: Gateway = {
      ...urlNetworks({ token }),
      parse: (seen) => [...urlNetworks({ token }).parse(seen), ...urlNetworks({ token }).parse(seen)],
    }
    const batches: number[] = []
    const received = receiving({
      gateways: { pbx: twin },
      accept: async (events) => batches.push(events.length),
    })
    await post(received).expect(200)
    expect(batches).toEqual([2])
  })

  test('a request with no event in it is acknowledged without storing anything', async () => {
    const silent: Gateway = { ...urlNetworks({ token }), parse: () => [] }
    const received = receiving({ gateways: { pbx: silent } })
    await post(received).expect(200)
    nothingKept(received)
  })

  test.each([
    ['rejects with a code', () => Promise.reject(new EngineError('engine-full', 'no room')), 'engine-full'],
    ['rejects without one', () => Promise.reject(new Error('secret text')), 'engine-failed'],
    ['rejects with nothing', () => Promise.reject(), 'engine-failed'],
    [
      'throws',
      () => {
        throw new TypeError('secret text')
      },
      'engine-failed',
    ],
    // Not the sender's fault, whatever class it is.
    [
      'rejects with a sender error',
      () => Promise.reject(new PayloadError('body-unreadable', '')),
      'engine-failed',
    ],
  ])('accept %s: 503 with Retry-After', async (_how, accept, code) => {
    const received = receiving({ accept })
    const answer = await post(received).expect(503)
    expect(answer.text).toBe(code)
    expect(answer.headers).toMatchObject({
      'retry-after': expect.stringMatching(/^[1-9]\d*$/),
      'cache-control': 'no-store',
    })
    expect(received.rejections).toEqual([])
    expect(received.logger.lines).toMatchObject([{ level: 'error', details: { gateway: 'pbx', code } }])
    expect(JSON.stringify(received.logger.lines)).not.toContain('secret text')
  })

  test.each([
    ['no token', '/sms/pbx', {}, 'token-missing'],
    ['an empty token', '/sms/pbx?token=', {}, 'token-mismatch'],
    ['a wrong last segment', '/sms/pbx/wrong', {}, 'token-mismatch'],
    ['a beginning of the token', `/sms/pbx/${token.slice(0, -1)}`, {}, 'token-mismatch'],
    ['a wrong ?token=', '/sms/pbx?token=wrong', {}, 'token-mismatch'],
    ['a wrong password', '/sms/pbx', { authorization: `Basic ${btoa('user:wrong')}` }, 'token-mismatch'],
    ['the token as the name', '/sms/pbx', { authorization: `Basic ${btoa(`${token}:`)}` }, 'token-mismatch'],
    ['another scheme', '/sms/pbx', { authorization: `Bearer ${token}` }, 'token-missing'],
  ])('%s: 401 and nothing kept', async (_what, path, headers, code) => {
    const received = receiving()
    const answer = await post(received, path).set(headers).expect(401)
    expect(answer.text).toBe(code)
    expect(answer.headers).toMatchObject({
      'cache-control': 'no-store',
      'www-authenticate': 'Basic realm="sms"',
    })
    nothingKept(received)
    expect(received.rejections).toMatchObject([{ gateway: 'pbx', code }])
    expect(received.logger.lines).toMatchObject([{ level: 'warn', details: { gateway: 'pbx', code } }])
  })

  test.each([
    ['the last segment', `/sms/pbx/${token}`, {}],
    ['?token=', `/sms/pbx?x=1&token=${token}`, {}],
    ['the password of Basic auth', '/sms/pbx', { authorization: `Basic ${btoa(`any:${token}`)}` }],
    [
      'a password beside a segment that is no token',
      '/sms/pbx/x',
      { authorization: `basic ${btoa(`:${token}`)}` },
    ],
  ])('the token as %s will do', async (_what, path, headers) => {
    const received = receiving()
    await post(received, path).set(headers).expect(200)
    expect(received.events).toHaveLength(1)
  })

  test('while a token is replaced, both will do', async () => {
    const received = receiving({ gateways: { pbx: urlNetworks({ token: ['old-token', 'new-token'] }) } })
    for (const each of ['old-token', 'new-token']) await post(received, `/sms/pbx/${each}`).expect(200)
    await post(received, '/sms/pbx/older-token').expect(401)
  })

  test.each([
    [{ serviceId: 'another' }, 'service-mismatch'],
    [{ smsNumber: '+61298765432' }, 'number-mismatch'],
  ])('a post that is not from %j: 401', async (expected, code) => {
    const received = receiving({ gateways: { pbx: urlNetworks({ token, ...expected }) } })
    const answer = await post(received).expect(401)
    expect(answer.text).toBe(code)
    nothingKept(received)
    expect(received.rejections).toMatchObject([{ code }])
  })

  test('cannot be parsed: 400, and kept once quarantine has it, tokens cut', async () => {
    const received = receiving()
    const body = Buffer.from(`{"url":"https://x/${token}","\xff":1}`, 'latin1')
    const answer = await post(received, undefined, body).set('content-type', `text/x; v=${token}`).expect(400)
    expect(answer.text).toBe('body-unreadable')
    expect(received.events).toEqual([])
    const [kept] = received.unreadable
    expect(kept).toMatchObject({
      reason: 'body-unreadable',
      request: { gateway: 'pbx', method: 'POST', contentType: 'text/x; v=***' },
    })
    expect(Buffer.from(kept!.request.body)).toEqual(Buffer.from('{"url":"https://x/***","\xff":1}', 'latin1'))
    expect(new Date(kept!.request.receivedAt).toISOString()).toBe(kept!.request.receivedAt)
  })

  test('a stranger fills no quarantine', async () => {
    const received = receiving()
    await post(received, '/sms/pbx/wrong', 'rubbish').expect(401)
    nothingKept(received)
  })

  test('quarantine fails: 503, so that the sender tries again', async () => {
    const quarantine = () => Promise.reject(new EngineError('engine-not-ready', 'not open'))
    await post(receiving({ quarantine }), undefined, 'rubbish').expect(503, 'engine-not-ready')
  })

  test('without quarantine it is still 400', async () => {
    await post(receiving({ quarantine: undefined }), undefined, 'rubbish').expect(400)
  })

  test('a gateway that throws something else in parse: 400, kept, and an error line without the text', async () => {
    const broken: Gateway = {
      ...urlNetworks({ token }),
      parse: () => JSON.parse('secret text'),
    }
    const received = receiving({ gateways: { pbx: broken } })
    await post(received).expect(400, 'body-unreadable')
    expect(received.unreadable).toHaveLength(1)
    const [line] = received.logger.lines
    expect(line).toMatchObject({ level: 'error', details: { error: 'SyntaxError' } })
    expect(JSON.stringify(line!.details)).toMatch(/answers\.test\.ts/)
    expect(JSON.stringify(received.logger.lines)).not.toContain('secret')
  })

  test('a gateway that fails to verify: 503', async () => {
    const unreachable: Gateway = {
      ...urlNetworks({ token }),
      verify: () => Promise.reject(new Error('no network')),
    }
    await post(receiving({ gateways: { pbx: unreachable } })).expect(503)
  })

  test('compressed in a way that is not known, or not as it says: 415', async () => {
    const received = receiving()
    for (const coding of ['zstd', 'compress', 'gzip, br', '__proto__', 'gzip', 'deflate', 'br'])
      await post(received).set('content-encoding', coding).expect(415, 'body-encoding')
    await post(received).set('content-encoding', 'identity').expect(200)
    expect(received.unreadable).toEqual([])
  })

  test('too large: 413', async () => {
    const gateways = { pbx: urlNetworks({ token, maxBytes: documentedBody.length }) }
    const received = receiving({ gateways })
    await post(received).expect(200)
    await post(received, undefined, `${documentedBody}&`).expect(413, 'body-too-large')
    expect(received.unreadable).toEqual([])
    expect(received.rejections).toMatchObject([{ code: 'body-too-large' }])
  })

  test.each([
    [
      'by throwing',
      () => {
        throw new Error('secret text')
      },
    ],
    // Left alone, this would end the process of the host app, for one post of a stranger.
    ['by rejecting', async () => Promise.reject(new Error('secret text'))],
  ])('what watches rejections cannot change the answer %s', async (_how, onRejected) => {
    const received = receiving({ onRejected })
    await post(received, '/sms/pbx').expect(401)
    expect(received.logger.lines.map(({ message }) => message)).toContain('onRejected threw')
    expect(JSON.stringify(received.logger.lines)).not.toContain('secret text')
  })
})

test('without Express, and where the host app has answered already, nothing is written or thrown', async () => {
  const stored = deferred()
  const received = receiving({ accept: () => stored.promise })
  const passedOn: unknown[] = []
  const impatient: RequestListener = (incoming, response) => {
    received.router(incoming, response, (error) => passedOn.push(error))
    response.writeHead(504).end('too late')
    stored.resolve()
  }
  await request(impatient).post(`/pbx/${token}`).send(documentedBody).expect(504, 'too late')
  await settled()
  expect([passedOn, received.logger.lines]).toEqual([[], []])
})
