// Body parsers of the host app in front of the router.

import type { RequestHandler } from 'express'
import request from 'supertest'
import type { Gateway } from '../../lib/gateway.ts'
import { urlNetworks } from '../../lib/gateways/url-networks.ts'
import { decodeForm } from '../../lib/inbound/body.ts'
import { documentedBody, hostApp, receiving, token, versions } from '../support/receiving.ts'

const fix = /mount smshook before express\.urlencoded\(\), express\.json\(\)/

/** Reads the body as careless middleware does, and leaves this on the request. */
const eat =
  (left: object): RequestHandler =>
  async (request, _response, next) => {
    for await (const _chunk of request);
    Object.assign(request, left)
    next()
  }

describe.each(versions)('a body parser in front, on %s', (_name, express) => {
  const app = (received: ReturnType<typeof receiving>, parser: RequestHandler) =>
    hostApp(express, ['/', parser], ['/sms', received.router])
  const post = (to: ReturnType<typeof app>, body = documentedBody) =>
    request(to).post(`/sms/pbx/${token}`).type('form').send(body)

  test.each([
    ['urlencoded({ extended: false })', express.urlencoded({ extended: false })],
    ['urlencoded({ extended: true })', express.urlencoded({ extended: true })],
    ['text()', express.text({ type: '*/*' })],
    ['raw()', express.raw({ type: '*/*' })],
    [
      'one that keeps rawBody',
      express.urlencoded({
        extended: true,
        verify: (req, _res, bytes) => Object.assign(req, { rawBody: bytes }),
      }),
    ],
    ['one that keeps rawBody as text', eat({ rawBody: documentedBody })],
  ])('%s: works, with one warning that names the fix', async (_parser, parser) => {
    const received = receiving()
    const to = app(received, parser)
    await post(to).expect(200)
    await post(to).expect(200)
    const [first] = received.events
    expect(received.events).toHaveLength(2)
    expect(first).toMatchObject({
      text: 'Test Message',
      messageId: '297abf7f-99d9-4b7d-9c46-1d7c13687b11',
      occurredAt: '2019-12-15T06:34:14.000Z',
      raw: { webhook_url: 'https://youendpoint.com/sms/test' },
    })
    expect(received.logger.lines).toHaveLength(1)
    expect(received.logger.lines[0]).toMatchObject({ level: 'warn', message: expect.stringMatching(fix) })
  })

  test.each([
    ['json()', express.json()],
    ['json({ type: everything but forms })', express.json({ type: 'application/*+json' })],
    ['text() for plain text', express.text()],
    [
      'an empty body set by hand',
      ((req, _res, next) => {
        req.body = {}
        next()
      }) as RequestHandler,
    ],
  ])('%s has not read a form: the bytes are read, without a warning', async (_parser, parser) => {
    const received = receiving()
    await post(app(received, parser)).expect(200)
    expect(received.events).toMatchObject([{ text: 'Test Message' }])
    expect(received.logger.lines).toEqual([])
  })

  test.each([
    ['nothing', {}],
    ['null', { body: null }],
  ])('one that left %s: 500, and the log line names the fix', async (_what, left) => {
    const received = receiving()
    await post(app(received, eat(left))).expect(500, 'body-consumed')
    expect(received.events).toEqual([])
    expect(received.logger.lines).toMatchObject([
      { level: 'error', details: { code: 'body-consumed', reason: expect.stringMatching(fix) } },
    ])
  })

  test.each([
    ['its own reading', { body: { from: 'x' } }, 500],
    ['the text', { body: documentedBody, rawBody: documentedBody }, 500],
    ['the bytes as rawBody', { rawBody: Buffer.from(documentedBody) }, 200],
    ['the bytes as body', { body: Buffer.from(documentedBody) }, 200],
  ])('a gateway that needs the bytes, and %s is left: %3$j', async (_what, left, status) => {
    const signed = { ...urlNetworks({ token }), needsBytes: true }
    const received = receiving({ gateways: { pbx: signed } })
    await post(app(received, eat(left))).expect(status)
  })

  test('what a parser read is kept in quarantine however deep it nests', async () => {
    const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)
    const received = receiving()
    await post(app(received, eat({ body: { deep } }))).expect(400)
    expect(String(received.unreadable[0]?.request.body)).toMatch(/^\{"deep":\[+"\*\*\*"\]+\}$/)
  })

  test('lists give their first text, what is nested is left out, hostile names are names', async () => {
    const received = receiving()
    const body = 'body=first&body=second&from[a]=1&__proto__[x]=1&constructor=c&message_id=m-1'
    await post(app(received, express.urlencoded({ extended: true })), body).expect(200)
    const [event] = received.events
    expect(event).toMatchObject({ text: 'first', from: null, messageId: 'm-1', notes: ['duplicate'] })
    expect(({} as Record<string, unknown>).x).toBeUndefined()
  })

  test('a reading with nothing in it is kept in quarantine', async () => {
    const received = receiving()
    await post(app(received, express.urlencoded({ extended: true })), `url=https://x/${token}`).expect(400)
    expect(String(received.unreadable[0]?.request.body)).toBe('{"url":"https://x/***"}')
  })

  test('there was nothing to eat: a GET is served, an empty post is unreadable', async () => {
    const asked: Gateway = {
      ...urlNetworks({ token }),
      methods: ['GET', 'POST'],
      needsBytes: true,
      parse: (seen) =>
        urlNetworks({ token }).parse({ ...seen, form: () => decodeForm(Buffer.from(`${seen.query}`)) }),
    }
    const received = receiving({ gateways: { pbx: asked } })
    const to = app(received, eat({}))
    await request(to).get(`/sms/pbx/${token}?${documentedBody}`).expect(200)
    expect(received.events).toMatchObject([{ text: 'Test Message' }])
    await request(to).get(`/sms/pbx?token=${token}&a=b`).expect(400, 'body-unreadable')
    expect(String(received.unreadable[0]?.request.body)).toBe('?token=***&a=b')
    await post(to, '').expect(400, 'body-unreadable')
  })

  test('setEncoding() in front harms nothing', async () => {
    const received = receiving()
    const parser: RequestHandler = (req, _res, next) => {
      req.setEncoding('utf8')
      next()
    }
    await post(app(received, parser), 'body=Gr%C3%BC%C3%9Fe ☎&message_id=m-1').expect(200)
    expect(received.events[0]?.text).toBe('Grüße ☎')
  })

  test('middleware that takes its time before next() loses nothing', async () => {
    const received = receiving()
    const slow: RequestHandler = (_req, _res, next) => void setImmediate(() => setImmediate(next))
    await post(app(received, slow)).expect(200)
    expect(received.events[0]?.text).toBe('Test Message')
  })
})
