// The templates of SMSPortal as we post them, and that our own gateway reads them back.
import fc from 'fast-check'
import type { Address, EventType, SmsEvent } from '../../lib/event.ts'
import type { ComposeContext } from '../../lib/gateway.ts'
import { formats, gateways, policies } from '../../lib/gateways/index.ts'
import { intentOf } from '../../lib/intent.ts'
import { address } from '../../lib/phone.ts'
import { smsEvent } from '../support/events.ts'
import { carriedBy, composeContext, roundTrip, saidIn } from '../support/round-trip.ts'

const format = formats.smsPortal
const { url } = composeContext
const secret = 'a-signing-key'
const uuid = '297abf7f-99d9-4b7d-9c46-1d7c13687b11'

const compose = (event: SmsEvent, context: Partial<ComposeContext> = {}) =>
  format.compose(event, { ...composeContext, ...context })
const bodyOf = (event: SmsEvent, context?: Partial<ComposeContext>) =>
  JSON.parse(compose(event, context).body)

const person = address('+61491570006')
const reply = smsEvent({ from: person, text: 'It’s me\n🌹 "', messageId: uuid, raw: null })
const receipt = smsEvent({
  type: 'message.delivered',
  from: null,
  to: person,
  text: null,
  messageId: '42',
  raw: null,
})

describe('the format of SMSPortal', () => {
  test('a reply, byte for byte', () => {
    expect(compose(reply)).toEqual({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body:
        `{"incomingId":"${uuid}","incomingData":"It’s me\\n🌹 \\"","sourcePhoneNumber":"+61491570006",` +
        '"destinationPhoneNumber":"+61298765432","receivedUtc":"2026-01-01T00:00:00.000Z"}',
    })
  })

  test('a receipt, byte for byte', () => {
    expect(compose(receipt, { serviceId: '5' }).body).toBe(
      '{"eventId":"42","customerId":"5","status":"DELIVRD","phoneNumber":"+61491570006","sentUtc":"",' +
        '"receivedUtc":"2026-01-01T00:00:00.000Z"}',
    )
  })

  test('signed with the first secret, afresh for each try', () => {
    const signed = (now: number, to = url) =>
      compose(receipt, { now, url: to, secrets: [secret, 'the next one'] }).headers
    // Made with openssl from the same text.
    expect(signed(Date.UTC(2026, 0, 1))).toEqual({
      'content-type': 'application/json',
      'x-timestamp': '1767225600',
      'x-signature': '0b3d354c51075f543bc1b2b148742cbd317c03581c935089ffb03fb00e661dac',
    })
    expect(signed(Date.UTC(2026, 0, 1) + 1_000)).toMatchObject({ 'x-timestamp': '1767225601' })
    // What is behind a `#` is not sent.
    expect(signed(0, `${url}#top`)).toEqual(signed(0))
    expect(signed(0, `${url}?a=1`)).not.toEqual(signed(0))
  })

  test.each<[EventType, string]>([
    ['message.sent', 'SUBMITD'],
    ['message.delivered', 'DELIVRD'],
    ['message.failed', 'UNDELIV'],
    ['message.expired', 'EXPIRED'],
    ['link.clicked', 'UNKNOWN'],
  ])('%s is %s', (type, status) => {
    expect(bodyOf(smsEvent({ type, raw: { status: 'PONDERED' } })).status).toBe(status)
  })

  test('what SMSPortal said itself is said again, if it says the same', () => {
    const raw = { STATUS: 'blist', CustomerID: 7, sentUtc: '2026-01-01T00:00:00Z' }
    const failed = bodyOf(smsEvent({ type: 'message.failed', raw }), { serviceId: 'ours' })
    expect(failed).toMatchObject({ status: 'BLIST', customerId: '7', sentUtc: '2026-01-01T00:00:00Z' })
    expect(bodyOf(smsEvent({ type: 'message.expired', raw })).status).toBe('EXPIRED')
    expect(bodyOf(smsEvent({ type: 'unknown', raw: { status: 'PONDERED' } })).status).toBe('PONDERED')
  })

  test('what is not known is empty', () => {
    const nothing = { from: null, to: null, text: null, messageId: null, occurredAt: null }
    const event = smsEvent({ ...nothing, raw: ['x'] })
    expect(bodyOf(event)).toEqual({
      incomingId: event.id,
      incomingData: '',
      sourcePhoneNumber: '',
      destinationPhoneNumber: '',
      receivedUtc: event.receivedAt,
    })
    const status = smsEvent({ ...nothing, type: 'message.sent', messageId: ' ', raw: null })
    expect(bodyOf(status)).toMatchObject({ eventId: status.id, customerId: '', phoneNumber: '' })
  })

  test('the id of a reply is one that cannot collide: its own, a UUID, or ours', () => {
    const idOf = (messageId: string, identity = 'x') => {
      const event = smsEvent({ messageId, identity })
      return bodyOf(event).incomingId === event.id ? 'ours' : bodyOf(event).incomingId
    }
    expect(idOf('88', 'reply:88')).toBe('88')
    expect(idOf(uuid)).toBe(uuid)
    expect(idOf('1A2B3C')).toBe('ours')
    expect(idOf(`${uuid}\n`)).toBe('ours')
  })

  test('tries as the documentation says, and may be signed or not', () => {
    expect(format.policy).toMatchObject({ tries: 5, timeoutMs: 10_000, success: '2xx', endOn: [] })
    expect(format.policy.delaysMs).toHaveLength(4)
    expect(policies.smsPortal).toBe(format.policy)
    expect(format.secretsFault()).toBeNull()
  })

  const text = fc.string({ unit: 'binary', maxLength: 60 })
  const wire = (one: Address) =>
    one.raw.trim() !== '' && !/^ [1-9]/.test(one.raw) && (one.e164 === null || one.e164 === one.raw)
  const side = fc.oneof(
    fc
      .constantFrom('+61491570006', '+442079460000', '+12025550123', '34567', 'Bob & Co')
      .map((raw) => address(raw)),
    text.map((raw) => address(raw)).filter(wire),
    fc.constant(null),
  )
  const word = text.map((one) => one.trim()).filter((one) => one !== '')
  const instant = fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true })

  test.each(Object.keys(format.carries) as EventType[])('our own gateway reads back a %s', async (type) => {
    const isReply = type === 'message.received'
    const gateway = gateways.smsPortal({ secret: ['another', secret], signature: { url } })
    const known = isReply
      ? fc.oneof(
          fc.uuid().map((messageId) => ({ messageId, identity: messageId })),
          word.map((messageId) => ({ messageId, identity: `reply:${messageId}` })),
        )
      : word.map((messageId) => ({ messageId, identity: messageId }))
    await fc.assert(
      fc.asyncProperty(
        known,
        side,
        side,
        text,
        text,
        instant,
        fc.jsonValue(),
        async (ids, from, to, said, reason, at, raw) => {
          const occurredAt = at.toISOString()
          const intent = isReply ? intentOf(said) : null
          const event = smsEvent({ ...ids, type, from, to, text: said, intent, reason, occurredAt, raw })
          const [draft, ...more] = await roundTrip(event, format, gateway, { secrets: [secret] })
          expect(more).toEqual([])
          const carried = carriedBy(format, event)
          expect(saidIn(carried, draft!)).toEqual(saidIn(carried, event))
        },
      ),
    )
  })
})
