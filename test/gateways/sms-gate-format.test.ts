// The posts of SMS Gateway for Android as we make them, to the byte, and that our own gateway reads them back.
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import type { EventType, Media, SmsEvent } from '../../lib/event.ts'
import { formats, gateways, policies } from '../../lib/gateways/index.ts'
import { address } from '../../lib/phone.ts'
import { smsEvent } from '../support/events.ts'
import { carriedBy, composeContext, roundTrip, saidIn } from '../support/round-trip.ts'

const format = formats.smsGate
const id = '01900000-0000-7000-8000-000000000007'
const at = '2025-12-31T23:59:58.000Z'
const secret = 'aB3dE6gH'

const event = (fields: Partial<SmsEvent> = {}): SmsEvent =>
  smsEvent({
    id,
    from: address('+12025550199'),
    to: address('+12025550123'),
    text: 'Hi',
    messageId: 'm-1',
    occurredAt: at,
    raw: null,
    ...fields,
  })

const compose = (fields: Partial<SmsEvent>, context: Partial<typeof composeContext> = {}) =>
  format.compose(event(fields), { ...composeContext, serviceId: 'phone-1', ...context })

const envelope = (name: string, payload: string) =>
  `{"deviceId":"phone-1","event":"${name}","id":"${id}","payload":${payload},"webhookId":""}`

const received =
  '"messageId":"m-1","phoneNumber":"+12025550199","recipient":"+12025550123","sender":"+12025550199"'
const reported =
  '"messageId":"m-1","phoneNumber":"+12025550123","recipient":"+12025550123","sender":"+12025550199"'
const picture: Media = { contentType: 'image/png', name: 'a.png', size: 8, data: 'iVBORw0KGgo=', url: null }
const bytes: Media = { contentType: 'application/octet-stream', name: null, size: 3, data: 'AAEC', url: null }

describe('the posts of a phone', () => {
  test.each<[string, string, Partial<SmsEvent>, string]>([
    ['a text', 'sms:received', {}, `{"message":"Hi","receivedAt":"${at}",${received}}`],
    [
      'binary data',
      'sms:data-received',
      { text: null, media: [bytes] },
      `{"data":"AAEC","receivedAt":"${at}",${received}}`,
    ],
    [
      'media',
      'mms:downloaded',
      { media: [picture, { ...bytes, size: null, data: null, url: 'https://example.com/a' }] },
      '{"attachments":[{"contentType":"image/png","data":"iVBORw0KGgo\\u003d","name":"a.png","partId":1,"size":8},' +
        '{"contentType":"application/octet-stream","partId":2,"url":"https://example.com/a"}],' +
        `"body":"Hi","receivedAt":"${at}",${received}}`,
    ],
    [
      'neither text nor media',
      'mms:downloaded',
      { text: null },
      `{"attachments":[],"receivedAt":"${at}",${received}}`,
    ],
    [
      'the announcement of an MMS',
      'mms:received',
      { text: null, notes: ['mms-notice'] },
      `{"receivedAt":"${at}","size":0,"transactionId":"m-1",${received}}`,
    ],
    ['sent', 'sms:sent', { type: 'message.sent' }, `{"partsCount":-1,"sentAt":"${at}",${reported}}`],
    ['delivered', 'sms:delivered', { type: 'message.delivered' }, `{"deliveredAt":"${at}",${reported}}`],
    [
      'failed',
      'sms:failed',
      { type: 'message.failed', reason: "can't" },
      `{"failedAt":"${at}","reason":"can\\u0027t",${reported}}`,
    ],
    [
      'failed, nobody knows why',
      'sms:failed',
      { type: 'message.failed', reason: null },
      `{"failedAt":"${at}","reason":"Unknown",${reported}}`,
    ],
    [
      'taken back',
      'sms:cancelled',
      { type: 'message.failed', reason: 'cancelled' },
      `{"cancelledAt":"${at}",${reported}}`,
    ],
    ['a sign of life', 'system:ping', { type: 'device.ping' }, '{}'],
    [
      'started',
      'app:started',
      { type: 'device.online' },
      '{"simCards":[{"phoneNumber":"+12025550199","simNumber":1,"slotIndex":0}]}',
    ],
    ['started, number unknown', 'app:started', { type: 'device.online', from: null }, '{"simCards":[]}'],
    [
      'from nobody to nobody',
      'sms:received',
      { from: null, to: null, messageId: null, occurredAt: null, receivedAt: at },
      `{"message":"Hi","receivedAt":"${at}","messageId":"","phoneNumber":"unknown","sender":"unknown"}`,
    ],
  ])('%s: %s', (_what, name, fields, payload) => {
    expect(compose(fields)).toEqual({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: envelope(name, payload),
    })
  })

  test('what means something in HTML is escaped as Gson does, and half an emoji is a question mark', () => {
    const text = '\'<>&=\u2028\u2029"\\/\u0000\b\t\u007f🌹\ud83c'
    expect(compose({ text }).body).toContain(
      '"message":"\\u0027\\u003c\\u003e\\u0026\\u003d\\u2028\\u2029\\"\\\\/\\u0000\\b\\t\u007f🌹?"',
    )
  })

  test('signed over the bytes and the second of the try, with the first secret', () => {
    const fields = { text: "it's 🌹" }
    const { headers, body } = compose(fields, { secrets: [secret, 'old'], now: 1_767_225_600_999 })
    expect(headers).toEqual({
      'content-type': 'application/json',
      'x-timestamp': '1767225600',
      'x-signature': createHmac('sha256', secret).update(`${body}1767225600`).digest('hex'),
    })
    const later = compose(fields, { secrets: [secret], now: 1_767_225_601_000 })
    expect(later.body).toBe(body)
    expect(later.headers['x-signature']).not.toBe(headers['x-signature'])
  })

  test('what came from a phone says again what only its post said', () => {
    const from = (name: string, payload: object) => ({
      deviceId: 'theirs',
      event: name,
      id: 'e-1',
      payload,
      webhookId: 'w',
    })
    const parsed = (raw: object) =>
      gateways.smsGate({ allowUnauthenticated: true }).parse({ json: () => raw } as never)
    const again = (raw: object) =>
      parsed(raw).map((draft) => JSON.parse(compose({ ...draft, id: 'ours' }).body))
    const base = { messageId: 'm', phoneNumber: '+12025550199', sender: '+12025550199', simNumber: 2 }
    for (const raw of [
      from('sms:received', { message: 'Hi', receivedAt: at, ...base }),
      from('sms:data-received', { data: 'AAEC', receivedAt: at, ...base }),
      from('mms:received', {
        contentClass: 'TEXT',
        receivedAt: at,
        size: 5,
        subject: 'S',
        transactionId: 'T',
        ...base,
      }),
      from('sms:sent', {
        partsCount: 3,
        sentAt: at,
        ...base,
        recipient: '+12025550199',
        sender: '+12025550123',
      }),
      from('system:ping', { health: { checks: {}, releaseId: 1, status: 'pass', version: '1' } }),
      from('app:started', {
        simCards: [
          { simNumber: 1, slotIndex: 0 },
          { phoneNumber: '1', simNumber: 2, slotIndex: 1 },
        ],
      }),
    ])
      expect(again(raw)).toEqual([{ ...raw, id: 'ours' }])

    // Each message of a batch goes on alone; under the id of the batch, the second would be a repeat.
    const one = { message: 'Hi', receivedAt: at, ...base }
    const batch = from('sms:batch:received', { messages: [one, { ...one, message: 'Ho' }] })
    const payloads = [one, { ...one, message: 'Ho' }]
    expect(again(batch)).toEqual(
      payloads.map((payload) => ({ ...from('sms:received', payload), id: 'ours' })),
    )
  })

  test.each([
    null,
    'x',
    [],
    { deviceId: {} },
    { deviceId: ' ', payload: { simNumber: 2 } },
    { payload: { size: 5 } },
  ])('an event that came with %j is none of a phone', (raw) => {
    const notice = { raw, text: null, notes: ['mms-notice'] }
    expect(compose({ raw }).body).toBe(compose({}).body)
    expect(compose(notice).body).toBe(compose({ ...notice, raw: null }).body)
    expect(JSON.parse(compose({ raw }, { serviceId: null }).body).deviceId).toBe('')
  })
})

describe('how a phone tries', () => {
  const hours = ({ delaysMs }: { delaysMs: readonly number[] }) =>
    delaysMs.reduce((sum, delayMs) => sum + delayMs, 0) / 3_600_000

  test('as documented: 14 retries in about two days, the first after ten seconds', () => {
    expect(format.policy).toBe(policies.smsGate)
    expect(policies.smsGate).toMatchObject({
      tries: 15,
      timeoutMs: 30_000,
      success: '2xx',
      endOn: [],
      retryAfterMaxMs: 0,
    })
    expect(policies.smsGate.delaysMs.slice(0, 3)).toEqual([10_000, 20_000, 40_000])
    expect(policies.smsGate.delaysMs).toHaveLength(14)
    expect(hours(policies.smsGate)).toBeCloseTo(45.5, 1)
  })

  test('by its source: 15 retries in as much time, the first after five seconds', () => {
    expect(policies.smsGateCurrent).toMatchObject({
      tries: 16,
      timeoutMs: 30_000,
      success: '2xx',
      retryAfterMaxMs: 0,
    })
    expect(policies.smsGateCurrent.delaysMs.slice(0, 3)).toEqual([5_000, 10_000, 20_000])
    expect(policies.smsGateCurrent.delaysMs).toHaveLength(15)
    expect(hours(policies.smsGateCurrent)).toBeCloseTo(45.5, 1)
  })

  test('any secret will do, and none as well', () => {
    expect(format.secretsFault()).toBeNull()
  })
})

describe('our own gateway reads back all that the format carries', () => {
  const hostile = fc.constantFrom(
    '__proto__',
    "'<>&=\u2028\u2029",
    '"}]},"',
    '\\u0027',
    '\u0000',
    'null',
    'stop',
    '\u202e',
  )
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.string(), hostile)
  const word = text.filter((one) => one.trim() !== '')
  // A number is posted as E.164 where it has one; `unknown` is the phone's own word for nobody.
  const number = fc
    .oneof(
      fc.constantFrom('+12025550199', '+447700900123', '12345', '0491570006', 'Bob & Co', 'a@example.com'),
      word,
    )
    .filter((raw) => raw !== 'unknown')
    .map((raw) => address(raw))
    .filter(({ raw, e164 }) => e164 === null || e164 === raw)
  const data = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array).toString('base64'))
  const media = fc.record<Media>({
    contentType: fc.oneof(fc.constantFrom('image/png', 'application/octet-stream'), word),
    name: fc.option(word),
    size: fc.option(fc.nat()),
    data: fc.option(data),
    url: fc.option(fc.webUrl()),
  })
  const binary = data.map((base64) => ({
    ...bytes,
    data: base64,
    size: Buffer.from(base64, 'base64').length,
  }))

  test.each(Object.keys(format.carries) as EventType[])('%s', async (type) => {
    const fields = fc.record({
      from: fc.option(number),
      to: fc.option(number),
      text: fc.option(text),
      media: fc.oneof(fc.array(media, { maxLength: 3 }), fc.tuple(binary)),
      messageId: fc.option(word),
      reason: fc.oneof(word, fc.constant('cancelled')),
      occurredAt: fc
        .date({ min: new Date('2000-01-02'), max: new Date('2099-12-30'), noInvalidDate: true })
        .map((date) => date.toISOString()),
      notes: fc.constantFrom<string[]>([], ['mms-notice'], ['plus']),
      raw: fc.oneof(
        fc.jsonValue(),
        fc.constant({ deviceId: 'phone-2', payload: { simNumber: 1, messages: [] } }),
      ),
    })
    const gateway = gateways.smsGate({ secret: (deviceId) => (deviceId ? secret : null) })
    await fc.assert(
      fc.asyncProperty(fields, async (changes) => {
        const whole = smsEvent({ type, ...changes })
        const context = { secrets: [secret], serviceId: 'phone-1' }
        const drafts = await roundTrip(whole, format, gateway, context)
        const carried = carriedBy(format, whole)
        expect(drafts.map((draft) => saidIn(carried, draft))).toEqual([saidIn(carried, whole)])
      }),
      { numRuns: 300 },
    )
  })
})
