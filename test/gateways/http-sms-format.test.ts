// The CloudEvents of httpSMS as we post them, and that our own gateway reads them back.
import fc from 'fast-check'
import { type EventType, ourSide, type SmsEvent } from '../../lib/event.ts'
import type { ComposeContext, OutboundRequest } from '../../lib/gateway.ts'
import { formats, gateways, policies } from '../../lib/gateways/index.ts'
import { intentOf } from '../../lib/intent.ts'
import { address } from '../../lib/phone.ts'
import { smsEvent } from '../support/events.ts'
import { carriedBy, composeContext, roundTrip, saidIn } from '../support/round-trip.ts'

const format = formats.httpSms
const secret = 'signing-key-of-the-webhook'
const id = '70d5e8b5-0a3c-4e0c-9f3a-6f1d1f0f6a01'
const messageId = '32343a19-da5e-4b1b-a767-3298a73703cb'
const context = { ...composeContext, url: 'https://crm.example.com/sms', secrets: [secret, 'the last one'] }

const compose = (event: SmsEvent, more: Partial<ComposeContext> = {}): Promise<OutboundRequest> =>
  format.compose(event, { ...context, ...more })
const dataOf = async (event: SmsEvent, more: Partial<ComposeContext> = {}) =>
  JSON.parse((await compose(event, more)).body).data

const ours = { raw: '+12025550123', kind: 'e164' as const, e164: '+12025550123' }
const theirs = { raw: '+442079460958', kind: 'e164' as const, e164: '+442079460958' }
const base = {
  identity: id,
  messageId,
  text: 'It’s <b>\u2028 & "\\\u007f\u0001',
  occurredAt: '2025-12-31T23:59:58.120Z',
  receivedAt: '2026-01-01T00:00:00.000Z',
}
const toUs = { ...base, from: theirs, to: ours }
const fromUs = { ...base, from: ours, to: theirs }
const content = '"content":"It’s \\u003cb\\u003e\\u2028 \\u0026 \\"\\\\\u007f\\u0001"'
const numbers = '"owner":"+12025550123"'
const event = `/v1/messages/${messageId}/events`
const at = '"timestamp":"2025-12-31T23:59:58.12Z"'
const heartbeat =
  '{"phone_id":"00000000-0000-0000-0000-000000000000","user_id":"user",' +
  `"last_heartbeat_timestamp":"2025-12-31T23:59:58.12Z",${at},` +
  `"monitor_id":"00000000-0000-0000-0000-000000000000",${numbers}}`

describe('the format of httpSMS', () => {
  test.each<[EventType, Partial<SmsEvent>, name: string, source: string, data: string]>([
    [
      'message.received',
      {
        ...toUs,
        media: [
          {
            contentType: 'image/png',
            name: 'a.png',
            size: 7,
            data: null,
            url: 'https://x.example.com/a.png?b&c',
          },
          { contentType: 'image/png', name: 'b.png', size: 1, data: 'AA==', url: null },
        ],
      },
      'message.phone.received',
      '/v1/messages/receive',
      `{"message_id":"${messageId}","user_id":"user",${numbers},"encrypted":false,"contact":"+442079460958",${at},` +
        `${content},"sim":"SIM1","attachments":["https://x.example.com/a.png?b\\u0026c"]}`,
    ],
    [
      'message.sent',
      fromUs,
      'message.phone.sent',
      event,
      `{"id":"${messageId}","user_id":"user","request_id":null,${numbers},"contact":"+442079460958",` +
        `"encrypted":false,${at},${content},"sim":"SIM1"}`,
    ],
    [
      'message.delivered',
      fromUs,
      'message.phone.delivered',
      event,
      `{"id":"${messageId}",${numbers},"contact":"+442079460958","request_id":null,"user_id":"user",` +
        `"encrypted":false,${at},${content},"sim":"SIM1"}`,
    ],
    [
      'message.failed',
      { ...fromUs, reason: 'NO_SERVICE' },
      'message.send.failed',
      event,
      `{"id":"${messageId}","error_message":"NO_SERVICE","user_id":"user",${numbers},"request_id":null,` +
        `"contact":"+442079460958",${at},"encrypted":false,${content},"sim":"SIM1"}`,
    ],
    [
      'message.expired',
      fromUs,
      'message.send.expired',
      '/v1/messages/send',
      `{"message_id":"${messageId}",${numbers},"send_attempt_count":1,"is_final":true,"request_id":null,` +
        `"contact":"+442079460958","encrypted":false,"user_id":"user",${at},${content},"sim":"SIM1"}`,
    ],
    [
      'call.missed',
      toUs,
      'message.call.missed',
      '/v1/messages/calls/missed',
      `{"message_id":"${messageId}","user_id":"user",${numbers},"contact":"+442079460958",${at},"sim":"SIM1"}`,
    ],
    ['device.offline', fromUs, 'phone.heartbeat.offline', '/v1/heartbeats', heartbeat],
    ['device.online', fromUs, 'phone.heartbeat.online', '/v1/heartbeats', heartbeat],
  ])('%s, byte for byte', async (type, fields, name, source, data) => {
    const composed = await compose(smsEvent({ ...fields, type }), { secrets: [], serviceId: 'user' })
    expect(composed).toEqual({
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-event-type': name },
      body:
        `{"specversion":"1.0","id":"${id}","source":"${source}","type":"${name}",` +
        `"datacontenttype":"application/json","time":"2026-01-01T00:00:00Z","data":${data}}`,
    })
  })

  test('the token is made afresh for each try and signed with the first key; the rest stays as it is', async () => {
    const event = smsEvent(toUs)
    const first = await compose(event, { serviceId: 'user', now: context.now + 999 })
    const second = await compose(event, { serviceId: 'user', now: context.now + 1_000 })
    expect(second.body).toBe(first.body)
    // Made with Node's own HMAC from the claims as the server orders them.
    const [, claims, signature] = first.headers.authorization!.split('.')
    expect(first.headers.authorization).toMatch(/^Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\./)
    expect(Buffer.from(claims!, 'base64url').toString()).toBe(
      '{"iss":"api.httpsms.com","sub":"user","aud":["https://crm.example.com/sms"],' +
        '"exp":1767226200,"nbf":1767225000,"iat":1767225600}',
    )
    expect(signature).toBe('-euuqsW9Ryg0xwRnFNbhjrEx53MCvMlb0F8KebH0_oU')
    expect(Buffer.from(second.headers.authorization!.split('.')[1]!, 'base64url').toString()).toContain(
      '"exp":1767226201,"nbf":1767225001,"iat":1767225601',
    )
  })

  test('an account that nobody named has no subject', async () => {
    const { headers } = await compose(smsEvent(toUs))
    const claims = headers.authorization!.split('.')[1]!
    expect(Buffer.from(claims, 'base64url').toString()).toMatch(/^\{"iss":"api.httpsms.com","aud":/)
  })

  test('what httpSMS said itself is said again', async () => {
    const data = {
      user_id: 'theirs',
      request_id: 'order-7',
      sim: 'SIM2',
      send_attempt_count: '2',
      is_final: false,
      phone_id: messageId,
      monitor_id: id,
      last_heartbeat_timestamp: '2025-12-31T20:00:00+01:00',
    }
    const raw = { specversion: '1.0', data }
    expect(await dataOf(smsEvent({ type: 'message.expired', raw }), { serviceId: 'ours' })).toMatchObject({
      user_id: 'theirs',
      request_id: 'order-7',
      sim: 'SIM2',
      send_attempt_count: 2,
      is_final: false,
    })
    expect(await dataOf(smsEvent({ type: 'device.online', raw }))).toMatchObject({
      phone_id: messageId,
      monitor_id: id,
      last_heartbeat_timestamp: '2025-12-31T19:00:00Z',
    })
    // What another gateway calls `data` is another thing.
    expect(await dataOf(smsEvent({ raw: { data } }), { serviceId: 'ours' })).toMatchObject({
      user_id: 'ours',
      sim: 'SIM1',
    })
  })

  test('ids of other gateways are no UUIDs, and ours stand in for them', async () => {
    const event = smsEvent({ identity: '["phone","1"]', messageId: '1A2B3C' })
    expect(JSON.parse((await compose(event)).body)).toMatchObject({
      id: event.id,
      data: { message_id: event.id },
    })
  })

  test.each([
    ['half an emoji', { text: 'cut \ud83c' }, { content: 'cut \ufffd' }],
    ['nothing', { text: null, from: null, to: null }, { content: '', owner: '', contact: '' }],
    ['ciphertext', { text: 'AAAA', encrypted: true }, { content: 'AAAA', encrypted: true }],
    ['no time', { occurredAt: null }, { timestamp: '2026-01-01T00:00:01Z' }],
    ['odd times', { occurredAt: 'x', receivedAt: 'y' }, { timestamp: '2026-01-01T00:00:00Z' }],
    ['an odd raw', { raw: { specversion: 1, data: [null] } }, { user_id: '', sim: 'SIM1' }],
  ])('%s does not throw', async (_what, fields, expected) => {
    expect(await dataOf(smsEvent(fields))).toMatchObject(expected)
  })

  test('tries as the documentation says, or as the source does', () => {
    expect(format).toMatchObject({ name: 'httpSms' })
    expect(policies.httpSms).toMatchObject({
      tries: 5,
      timeoutMs: 5_000,
      success: '2xx',
      endOn: ['3xx', '4xx'],
    })
    expect(Math.min(...policies.httpSms.delaysMs)).toBe(1_000)
    expect(policies.httpSmsCurrent).toMatchObject({ tries: 2, timeoutMs: 5_000, success: '<400', endOn: [] })
    for (const delayMs of policies.httpSmsCurrent.delaysMs) {
      expect(delayMs).toBeGreaterThanOrEqual(100)
      expect(delayMs * 1.1).toBeLessThanOrEqual(200)
    }
    // It signs where there is a key, with any text.
    expect(format.secretsFault()).toBeNull()
  })
})

describe('our own gateway reads back', () => {
  const number = fc.constantFrom('+61412345678', '+442079460000', '+12025550123')
  const text = fc.string({ unit: 'binary', maxLength: 60 })
  const hostile = fc.constantFrom(
    '</script>',
    '\u2028\u2029',
    '\0',
    '"\\',
    '__proto__',
    'STOP',
    ' &amp; ',
    '{}',
  )
  const words = fc.oneof(text, hostile)
  const who = fc.oneof(number, words).map((raw) => (raw.trim() === '' ? null : address(raw)))
  const when = fc
    .integer({ min: 946_684_800_000, max: 4_102_444_799_999 })
    .map((ms) => new Date(ms).toISOString())
  const gateway = gateways.httpSms({ secret, audience: context.url })

  test.each(Object.keys(format.carries) as EventType[])('%s in all that is carried', async (type) => {
    const drafts = fc.record({
      identity: fc.uuid(),
      from: who,
      to: who,
      text: words,
      encrypted: fc.boolean(),
      messageId: fc.uuid(),
      reason: words,
      occurredAt: when,
    })
    await fc.assert(
      fc.asyncProperty(drafts, async (fields) => {
        const encrypted = fields.encrypted && fields.text !== ''
        const intent = type === 'message.received' && !encrypted ? intentOf(fields.text) : null
        const event = smsEvent({ ...fields, type, encrypted, intent, reason: fields.reason || null })
        const [draft, ...more] = await roundTrip(event, format, gateway, context)
        expect(more).toEqual([])
        const carried = carriedBy(format, event)
        expect(saidIn(carried, draft!)).toEqual(saidIn(carried, event))
      }),
    )
  })

  test('its own media, and why a message expired', async () => {
    const url = 'https://api.httpsms.com/v1/attachments/u/m/0/photo.jpg'
    const media = [
      { contentType: 'application/octet-stream', name: 'photo.jpg', size: null, data: null, url },
    ]
    expect(await roundTrip(smsEvent({ media }), format, gateway, context)).toMatchObject([{ media }])
    const raw = { specversion: '1.0', data: { send_attempt_count: 2, is_final: false } }
    const expired = smsEvent({ type: 'message.expired', reason: 'send attempt 2, not final', raw })
    const [draft] = await roundTrip(expired, format, gateway, context)
    expect(draft?.reason).toBe(expired.reason)
  })

  test('numbers on the side where they were', () => {
    for (const type of Object.keys(format.carries) as EventType[])
      expect(format.carries[type as keyof typeof format.carries]).toContain(ourSide(type))
  })
})
