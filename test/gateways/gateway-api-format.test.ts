// What GatewayAPI would post, in both generations, byte for byte, and that our own gateway reads it back.
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import type { EventType, SmsEvent } from '../../lib/event.ts'
import type { ComposeContext, Format, GatewayRequest } from '../../lib/gateway.ts'
import { gatewayApi } from '../../lib/gateways/gateway-api.ts'
import { formats, policies } from '../../lib/gateways/index.ts'
import { intentOf } from '../../lib/intent.ts'
import { address } from '../../lib/phone.ts'
import { smsEvent } from '../support/events.ts'
import { carriedBy, composeContext, roundTrip, saidIn } from '../support/round-trip.ts'

const { gatewayApi: legacy, gatewayApiMessaging: messaging } = formats
const secret = 'a-secret'
const signed = { ...composeContext, secrets: [secret, 'the-next-one'] }
const gateway = gatewayApi({ secret })
const hmac = (text: string) => createHmac('sha256', secret).update(text)

const bodyOf = async (format: Format, event: SmsEvent, more: Partial<ComposeContext> = {}) =>
  JSON.parse((await format.compose(event, { ...composeContext, ...more })).body)

/** An event as the gateway itself would have reported it. */
const reported = (raw: unknown, type: EventType): SmsEvent => {
  const [draft] = gateway.parse({ json: () => raw } as GatewayRequest)
  return smsEvent({ ...draft!, type })
}

describe('the legacy format', () => {
  const received = smsEvent({
    id: '01900000-0000-7000-8000-000000000001',
    text: "it's 🌹 <&>",
    messageId: '4000000000',
    identity: '4000000000',
    occurredAt: '2026-01-01T00:00:00.999Z',
  })
  const body =
    '{"id":4000000000,"msisdn":61412345678,"receiver":61298765432,"message":"it\'s 🌹 <&>",' +
    '"senttime":1767225600,"webhook_label":"shop","sender":null,"mcc":null,"mnc":null,"validity_period":null,' +
    '"encoding":null,"udh":null,"payload":null,"country_code":null,"country_prefix":null}'

  test('a message, and the token whose claims are the whole of it', async () => {
    const head = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url')
    const token = `${head}.${Buffer.from(body).toString('base64url')}`
    expect(await legacy.compose(received, { ...signed, serviceId: 'shop' })).toEqual({
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-gwapi-signature': `${token}.${hmac(token).digest('base64url')}`,
      },
      body,
    })
  })

  test('without a secret it is not signed', async () => {
    const request = await legacy.compose(received, { ...composeContext, serviceId: 'shop' })
    expect(request).toEqual({ method: 'POST', headers: { 'content-type': 'application/json' }, body })
    expect(legacy.secretsFault()).toBeNull()
  })

  test('a status', async () => {
    const event = smsEvent({ type: 'message.failed', messageId: '7', reason: 'No route', from: null })
    expect((await legacy.compose(event, signed)).body).toBe(
      '{"id":7,"msisdn":61298765432,"time":1767225600,"status":"UNDELIVERABLE","error":"No route","code":null,' +
        '"userref":null,"charge_status":null,"country_code":null,"country_prefix":null}',
    )
  })

  test.each([
    ['7', '7', 7],
    ['0', '0', 0],
    ['999999999999999', '999999999999999', 999_999_999_999_999],
    ['007', '007', null],
    ['9007199254740993', '9007199254740993', null],
    ['297abf7f-99d9-4b7d-9c46-1d7c13687b11', 'x', null],
    [null, 'x', null],
    // Where it does not tell one message from another, it would make a repeat of the second.
    ['7', 'phone-1 7', null],
  ])('of the id %j under the identity %j it makes %j', async (messageId, identity, id) => {
    const event = smsEvent({ messageId, identity })
    const made = (await bodyOf(legacy, event)).id
    expect(Number.isSafeInteger(made) && made >= 0).toBe(true)
    expect((await bodyOf(legacy, event, { now: composeContext.now + 60_000 })).id).toBe(made)
    if (id !== null) expect(made).toBe(id)
    else expect((await bodyOf(legacy, { ...event, id: 'another' })).id).not.toBe(made)
  })

  test('an id that is no number comes across as the reference of a status', async () => {
    const status = { type: 'message.sent', messageId: '01JNN696A9E0WS89FPYGT15NBX' } as const
    expect(await bodyOf(legacy, smsEvent(status))).toMatchObject({
      status: 'ENROUTE',
      userref: status.messageId,
    })
  })

  test('who is no number is the sender, and a text as the receiver', async () => {
    const event = smsEvent({ from: address('0412 345'), to: address('My Shop') })
    expect(await bodyOf(legacy, event)).toMatchObject({
      msisdn: null,
      sender: '0412 345',
      receiver: 'My Shop',
    })
    const nobody = smsEvent({ from: null, to: null, text: null, raw: null })
    expect(await bodyOf(legacy, nobody)).toMatchObject({ msisdn: null, receiver: null, message: '' })
  })
})

describe('the messaging format', () => {
  const event = smsEvent({ text: "it's 🌹", messageId: 'm-1', occurredAt: '2025-12-31T23:59:58.654Z' })

  test('a message, and the HMAC over its bytes', async () => {
    const body =
      `{"event_id":"${event.id}","timestamp":"2026-01-01T00:00:00.000000Z","event_type":"user-message.text.sms",` +
      '"event":{"msg_id":"m-1","sender":61412345678,"sent_at":"2025-12-31T23:59:58.654000Z",' +
      '"content":{"message":"it\'s 🌹","encoding":null,"header":null}}}'
    const headers = { 'content-type': 'application/json', signature: `v1=${hmac(body).digest('hex')}` }
    expect(await messaging.compose(event, signed)).toEqual({ method: 'POST', headers, body })
    expect((await messaging.compose(event, composeContext)).headers).toEqual({
      'content-type': 'application/json',
    })
    expect(messaging.secretsFault()).toBeNull()
  })

  test('a status', async () => {
    const failed = smsEvent({ ...event, type: 'message.failed', reason: 'No route' })
    expect((await messaging.compose(failed, signed)).body).toBe(
      `{"event_id":"${event.id}","timestamp":"2026-01-01T00:00:00.000000Z","event_type":"message.status.sms",` +
        '"event":{"msg_id":"m-1","recipient":61298765432,"reference":null,"status":"UNDELIVERABLE",' +
        '"status_at":"2025-12-31T23:59:58.654000Z","error":{"hex_code":null,"details":"No route"}}}',
    )
  })

  test('each try has its own time, so that none is too old, and the same id', async () => {
    const later = await bodyOf(messaging, event, { now: composeContext.now + 20 * 86_400_000 })
    expect(later).toMatchObject({ event_id: event.id, timestamp: '2026-01-21T00:00:00.000000Z' })
  })
})

describe('what the service itself reported comes back in its own words', () => {
  const status = {
    id: 7,
    msisdn: 61491570157,
    time: 1767225600,
    userref: 'order-7',
    code: '0x0b',
    error: 'Gone',
  }
  const report = {
    msg_id: '01JN',
    recipient: 61491570157,
    status_at: '2026-01-01T00:00:00.123Z',
    reference: 'order-7',
  }
  const enveloped = (event: object) => ({ event_id: 'e', event_type: 'message.status.rcs', event })
  test.each<[Format, unknown, EventType, unknown]>([
    [legacy, { ...status, status: 'REJECTED' }, 'message.failed', { ...status, status: 'REJECTED' }],
    [legacy, { ...status, status: 'TELEPORTED' }, 'unknown', { status: 'TELEPORTED' }],
    [
      legacy,
      enveloped({ ...report, status: 'READ' }),
      'message.delivered',
      { status: 'READ', userref: '01JN' },
    ],
    [
      messaging,
      enveloped({ ...report, status: 'READ' }),
      'message.delivered',
      { event_type: 'message.status.rcs', event: { status: 'READ', reference: 'order-7', error: null } },
    ],
    [
      messaging,
      { ...status, status: 'REJECTED' },
      'message.failed',
      { event: { msg_id: '7', status: 'REJECTED', error: { hex_code: '0x0b', details: 'Gone' } } },
    ],
    // Another gateway's words, or a text that was changed since, are not taken for them.
    [legacy, { status: 'DELIVRD' }, 'message.delivered', { status: 'DELIVERED' }],
    [legacy, { ...status, status: 'DELIVERED' }, 'message.failed', { status: 'UNDELIVERABLE' }],
  ])('%#', async (format, raw, type, expected) => {
    expect(await bodyOf(format, reported(raw, type))).toMatchObject(expected as object)
  })

  test('a message of the legacy generation is the same again', async () => {
    const raw = {
      ...{ id: 7, msisdn: 61491570157, receiver: 1204, message: 'foo hello', senttime: 1767225600 },
      ...{
        webhook_label: 'foo',
        sender: 'Parcel24',
        mcc: 505,
        mnc: 1,
        validity_period: null,
        encoding: 'UCS2',
      },
      ...{ udh: null, payload: null, country_code: 'AU', country_prefix: 61 },
    }
    const event = reported(raw, 'message.received')
    const { body } = await legacy.compose(event, { ...signed, serviceId: 'shop' })
    expect(body).toBe(JSON.stringify(raw))
  })
})

describe('our own gateway reads back all that a format carries', () => {
  const text = fc.string({ unit: 'binary', maxLength: 60 })
  const numbers = fc.constantFrom(
    '61412345678',
    '61491570157',
    '4532123456',
    '12025550123',
    '1204',
    '0412345678',
    '0',
  )
  const side = fc
    .oneof(numbers, text, fc.emailAddress())
    .map((raw) => (raw.trim() === '' ? null : address(raw)))
  // Whole seconds, and ids that are numbers, as the service itself has them.
  const at = fc
    .integer({ min: 946_684_800, max: 4_102_444_799 })
    .map((seconds) => new Date(seconds * 1_000).toISOString())
  const messageId = fc.nat({ max: 999_999_999_999_999 }).map(String)

  test.each(
    [legacy, messaging].flatMap((format) =>
      (Object.keys(format.carries) as EventType[]).map((type) => [format.name, type, format] as const),
    ),
  )('%s, %s', async (_name, type, format) => {
    const others = { raw: fc.jsonValue(), reason: fc.option(text) }
    const fields = fc.record({ from: side, to: side, text, messageId, occurredAt: at, ...others })
    await fc.assert(
      fc.asyncProperty(fields, async (some) => {
        const intent = type === 'message.received' ? intentOf(some.text) : null
        const event = smsEvent({ ...some, identity: some.messageId, type, intent })
        const drafts = await roundTrip(event, format, gateway, signed)
        const carried = carriedBy(format, event)
        expect(drafts.map((draft) => saidIn(carried, draft))).toEqual([saidIn(carried, event)])
      }),
    )
  })

  test('every kind that the gateway reports is carried', () => {
    const kinds = [
      'message.received',
      'message.delivered',
      'message.sent',
      'message.expired',
      'message.failed',
    ]
    for (const { carries } of [legacy, messaging])
      expect(Object.keys(carries).sort()).toEqual([...kinds, 'unknown'].sort())
  })
})

test('tries for more than a day, each wait twice the one before, up to two hours', () => {
  const { tries, delaysMs, ...policy } = policies.gatewayApi
  expect(policy).toMatchObject({ timeoutMs: 5_000, success: '2xx', endOn: [] })
  expect(delaysMs).toHaveLength(tries - 1)
  expect(delaysMs.slice(0, 4)).toEqual([10_000, 20_000, 40_000, 80_000])
  expect(Math.max(...delaysMs)).toBe(7_200_000)
  expect(delaysMs.reduce((sum, delay) => sum + delay)).toBeGreaterThan(86_400_000)
  expect(messaging.policy).toBe(legacy.policy)
})
