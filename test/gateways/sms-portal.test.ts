// What SMSPortal posts, beyond the fixtures: dates, identities, names of templates, methods and body parsers.
import request from 'supertest'
import type { EventDraft } from '../../lib/event.ts'
import { type SmsPortalOptions, smsPortal } from '../../lib/gateways/sms-portal.ts'
import { gatewayRequest } from '../../lib/inbound/request.ts'
import { signMac } from '../../lib/signature.ts'
import { hostApp, receiving, token, versions } from '../support/receiving.ts'

const url = 'https://app.example.com/sms/pbx'
const secret = 'a-signing-key'

/** What is read from a GET with these fields, or from a POST of this JSON. */
const read = (fields: Record<string, string>, options: SmsPortalOptions = {}): EventDraft => {
  const search = `?${new URLSearchParams(fields)}`
  const place = { token: null, search }
  const empty = { bytes: Buffer.alloc(0), parsed: undefined }
  const got = gatewayRequest({ method: 'GET', headers: {} } as never, place, empty, 0)
  const posted = gatewayRequest(
    { method: 'POST', headers: {} } as never,
    { token: null, search: '' },
    { bytes: Buffer.from(JSON.stringify(fields)), parsed: undefined },
    0,
  )
  const gateway = smsPortal({ allowUnauthenticated: true, ...options })
  const [[one], [other]] = [gateway.parse(got), gateway.parse(posted)]
  if (!one!.notes.includes('identity:random')) expect(other).toEqual(one)
  return one!
}

describe('what SMSPortal says', () => {
  test.each([
    ['1/Feb/2026 09:05:05', '2026-02-01T07:05:05.000Z'],
    ['01/feb/2026 9:05:05', '2026-02-01T07:05:05.000Z'],
    ['31/DECEMBER/2025 23:59:59', '2025-12-31T21:59:59.000Z'],
    ['1/Sept/2026 00:00', '2026-08-31T22:00:00.000Z'],
    ['1769929505', '2026-02-01T07:05:05.000Z'],
    ['2026-02-01T09:05:05+02:00', '2026-02-01T07:05:05.000Z'],
    ['1/Foo/2026 09:05:05', null],
    ['1/2/2026 09:05:05', null],
    ['41/Feb/2026 09:05:05', null],
    ['1/Feb/2026', null],
    ['1/Feb/0026 09:05:05', null],
    ['1769929505000', null],
    ['', null],
    ['9'.repeat(400), null],
  ])('the time %j is %j', (IncomingDataTime, occurredAt) => {
    expect(read({ IncomingID: '1', IncomingDataTime }).occurredAt).toBe(occurredAt)
  })

  test('the first time that makes sense counts, and what is called UTC is UTC', () => {
    const SentDataTime = '1/Feb/2026 09:05:05'
    const receipt = { Status: 'DELIVRD', EventID: '1', SentDataTime }
    expect(read({ ...receipt, receivedUtc: 'soon' }).occurredAt).toBe('2026-02-01T07:05:05.000Z')
    expect(read({ ...receipt, receivedUtc: SentDataTime }).occurredAt).toBe('2026-02-01T09:05:05.000Z')
    // When the message that is replied to was sent says nothing of the reply.
    expect(read({ IncomingID: '1', SentDataTime }).occurredAt).toBeNull()
    const click = { clicked: 'https://x.example.com', SentDataTime }
    expect(read(click, { fields: { link: 'clicked' } }).occurredAt).toBeNull()
  })

  test('each status of each number of each sending is one, and none is a reply', () => {
    const receipt = { EventId: '1', Msisdn: '61491570006', Status: 'DELIVRD' }
    const identities = [
      receipt,
      { ...receipt, Status: 'UNDELIV' },
      { ...receipt, Msisdn: '61491570156' },
      { ...receipt, EventId: '2' },
      { Id: '1', Message: 'Hi' },
      { Id: 'receipt:["1","61491570006","DELIVRD"]', Message: 'Hi' },
      { EventId: '1"', Msisdn: '61491570006', Status: 'DELIVRD' },
    ].map((fields) => read(fields as Record<string, string>).identity)
    expect(new Set(identities).size).toBe(identities.length)
    expect(read({ ...receipt, Received: '1769929505' }).identity).toBe(identities[0])
  })

  test('without ids, the same time again is a repeat; without a time nothing is', () => {
    const yes = { incomingData: 'Yes', phoneNumber: '61491570006' }
    const timed = { ...yes, receivedUtc: '1769929505' }
    expect(read(timed).identity).toBe(read(timed).identity)
    expect(read({ ...timed, receivedUtc: '1769929506' }).identity).not.toBe(read(timed).identity)
    expect(read({ ...timed, phoneNumber: '61491570156' }).identity).not.toBe(read(timed).identity)
    expect(read(yes).identity).not.toBe(read(yes).identity)
    expect(read(yes).notes).toEqual(['identity:random'])
    // A sending goes to many: without a number its receipts are not told apart.
    const receipt = { eventId: '1', status: 'DELIVRD' }
    expect(read(receipt).notes).toEqual(['identity:random'])
    expect(read({ ...receipt, ID: '7' }).identity).toBe('receipt:["7","DELIVRD"]')
  })

  test.each([
    [
      'a status with a text that was sent',
      { eventId: '1', status: 'BLIST', message: 'Hi' },
      'message.failed',
      'Hi',
    ],
    ['a status and an empty text', { id: '1', status: 'BLIST', message: '' }, 'message.failed', ''],
    ['a reply with a status', { Id: '1', Status: 'NEW', Message: 'Hi' }, 'message.received', 'Hi'],
    ['an incoming text with a status', { incomingData: 'Hi', status: 'DELIVRD' }, 'message.received', 'Hi'],
    ['an incoming id with a status', { incomingId: '1', status: 'DELIVRD' }, 'message.received', null],
    ['a text alone', { Message: 'Hi' }, 'message.received', 'Hi'],
    ['an id alone', { ID: '1' }, 'unknown', null],
    ['a sending alone', { EventID: '1', Status: '' }, 'unknown', null],
  ])('%s', (_what, fields, type, text) => {
    expect(read(fields as unknown as Record<string, string>)).toMatchObject({ type, text })
  })

  test('an id beyond what JSON numbers can tell apart is not taken for one', () => {
    const parse = (text: string) =>
      smsPortal({ allowUnauthenticated: true }).parse(
        gatewayRequest(
          { method: 'POST', headers: {} } as never,
          { token: null, search: '' },
          { bytes: Buffer.from(text), parsed: undefined },
          0,
        ),
      )[0]!
    const [one, other] = ['9007199254740992', '9007199254740993'].map((id) =>
      parse(`{"Id":${id},"Message":"Yes"}`),
    )
    expect(one).toMatchObject({ type: 'message.received', messageId: null, notes: ['identity:random'] })
    expect(one!.identity).not.toBe(other!.identity)
    expect(parse('{"Id":"9007199254740993","Message":"Yes"}').messageId).toBe('9007199254740993')
  })

  test('a lost plus is restored where there was one', () => {
    const numbers = { sourcePhoneNumber: ' 61491570006', destinationPhoneNumber: ' 34567' }
    const { from, to, notes } = read({ incomingId: '1', ...numbers })
    expect([from?.raw, to?.raw, notes]).toEqual(['+61491570006', ' 34567', ['plus']])
  })

  test('documented names go on to count beside those of the templates', () => {
    const fields = { text: 'MSG', phone: 'mobile' }
    expect(read({ Id: '1', msg: 'Hi', Mobile: '61491570006' }, { fields })).toMatchObject({
      text: 'Hi',
      from: { e164: '+61491570006' },
    })
    expect(read({ Id: '1', Message: 'Hi', msg: '', Msisdn: '34567' }, { fields })).toMatchObject({
      text: 'Hi',
      from: { kind: 'short' },
    })
  })
})

describe.each(versions)('over %s', (_name, express) => {
  const open = (options: SmsPortalOptions, ...parsers: Parameters<typeof hostApp>[1][1][]) => {
    const received = receiving({ gateways: { pbx: smsPortal(options) } })
    const mounts = parsers.map((parser) => ['/', parser] as const)
    return { ...received, to: hostApp(express, ...mounts, ['/sms', received.router]) }
  }
  const body = '{"incomingId": 1, "incomingData": "It’s me"}'
  const signed = (method: string, search: string, text: string) => {
    const timestamp = String(Math.floor(Date.now() / 1_000))
    const parts = [`v1:${timestamp}|${method}|${url}${search}|${text}`]
    return { 'x-timestamp': timestamp, 'x-signature': signMac(secret, { parts }) }
  }
  const signing = { secret, signature: { url } }

  test('GET and POST; HEAD stores nothing', async () => {
    const { to, events } = open({ token })
    await request(to).get(`/sms/pbx/${token}?IncomingID=1&IncomingData=Hi`).expect(200)
    await request(to).post(`/sms/pbx?token=${token}`).send({ Id: 2, Message: 'Hi' }).expect(200)
    const { headers } = await request(to).head(`/sms/pbx/${token}?IncomingID=1`).expect(405)
    expect(headers.allow).toBe('GET, POST')
    expect(events.map(({ identity }) => identity)).toEqual(['reply:1', 'reply:2'])
    expect(JSON.stringify(events)).not.toContain(token)
  })

  test('the token alone, the signature alone, and both where both are configured', async () => {
    const post = (to: ReturnType<typeof open>['to'], path: string, headers: Record<string, string>) =>
      request(to).post(path).set(headers).type('json').send(body)
    const headers = signed('POST', '', body)
    const signedOnly = open(signing)
    await post(signedOnly.to, '/sms/pbx', headers).expect(200)
    const both = open({ ...signing, token, tokenHeader: 'x-portal-token' })
    await post(both.to, '/sms/pbx', { ...headers, 'x-portal-token': token }).expect(200)
    await post(both.to, '/sms/pbx', headers).expect(401, 'token-missing')
    await post(both.to, `/sms/pbx/${token}`, {}).expect(401, 'signature-missing')
    expect(both.events).toHaveLength(1)
  })

  test('a parser in front: what it read is enough where nothing is signed', async () => {
    const { to, events } = open({ token }, express.json(), express.urlencoded({ extended: true }))
    await request(to).post(`/sms/pbx/${token}`).type('json').send(body).expect(200)
    await request(to).post(`/sms/pbx/${token}`).type('form').send('Id=2&Message=Hi&a[b]=c').expect(200)
    await request(to).get(`/sms/pbx/${token}?Id=3&Message=Hi`).expect(200)
    expect(events).toMatchObject([{ text: 'It’s me' }, { text: 'Hi' }, { identity: 'reply:3' }])
  })

  test('a parser in front: where something is signed it is 500 for each message, unless it keeps the bytes', async () => {
    const search = '?IncomingID=1&IncomingData=It%27s+me'
    const eaten = open(signing, express.json())
    for (const text of [body, '{"incomingId":1,"incomingData":"Hi"}'])
      await request(eaten.to)
        .post('/sms/pbx')
        .set(signed('POST', '', text))
        .type('json')
        .send(text)
        .expect(500, 'body-consumed')
    await request(eaten.to)
      .get(`/sms/pbx${search}`)
      .set(signed('GET', search, ''))
      .expect(200)
    expect(eaten.logger.lines[0]?.message).toMatch(/could not take/)
    const keep = {
      verify: (one: object, _to: unknown, bytes: Buffer) => Object.assign(one, { rawBody: bytes }),
    }
    const kept = open(signing, express.json(keep))
    await request(kept.to)
      .post('/sms/pbx')
      .set(signed('POST', '', body))
      .type('json')
      .send(body)
      .expect(200)
    expect([...eaten.events, ...kept.events].map(({ text }) => text)).toEqual(["It's me", 'It’s me'])
  })
})
