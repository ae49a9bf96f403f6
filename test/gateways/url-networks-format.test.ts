// The form of the PBX as we post it, and that our own gateway reads it back.
import fc from 'fast-check'
import type { SmsEvent } from '../../lib/event.ts'
import type { GatewayRequest } from '../../lib/gateway.ts'
import { formats, gateways } from '../../lib/gateways/index.ts'
import { decodeForm } from '../../lib/inbound/body.ts'
import { policies } from '../../lib/policies.ts'
import { smsEvent } from '../support/events.ts'

const { compose, secretsFault, ...format } = formats.urlNetworks
const uuid = '297abf7f-99d9-4b7d-9c46-1d7c13687b11'
const context = {
  url: 'https://crm.example.com/sms?shop=1',
  serviceId: null,
  secrets: [],
  fallbackTo: 'owner@example.com',
  now: Date.UTC(2026, 0, 1),
}

const fieldsOf = (event: SmsEvent, more: Partial<typeof context> & { serviceId?: string | null } = {}) =>
  Object.fromEntries(new URLSearchParams(compose(event, { ...context, ...more }).body))

describe('the format of the PBX', () => {
  test('eight fields in the documented order, the plus and spaces percent-encoded', () => {
    const event = smsEvent({ text: 'Hello, it’s me +1', messageId: uuid, raw: { service_id: 'service-7' } })
    expect(compose(event, context)).toEqual({
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body:
        'service_id=service-7&from=%2B61412345678&sms_number=%2B61298765432' +
        `&body=Hello%2C%20it%E2%80%99s%20me%20%2B1&message_id=${uuid}&timestamp=1767225600` +
        '&webhook_url=https%3A%2F%2Fcrm.example.com%2Fsms%3Fshop%3D1&webhook_url_fallback=owner%40example.com',
    })
  })

  test('what is not known is empty', () => {
    const event = smsEvent({ id: uuid, from: null, to: null, text: null, messageId: null, raw: null })
    expect(fieldsOf(event, { fallbackTo: null as never })).toEqual({
      service_id: '',
      from: '',
      sms_number: '',
      body: '',
      message_id: uuid,
      timestamp: '1767225600',
      webhook_url: context.url,
      webhook_url_fallback: '',
    })
  })

  test.each([
    [{ service_id: 'theirs' }, 'ours', 'theirs'],
    [{ service_id: '' }, 'ours', 'ours'],
    [{ service_id: 7 }, 'ours', 'ours'],
    [['theirs'], 'ours', 'ours'],
    ['theirs', null, ''],
  ])('of a post that said %j, with %j configured, the service is %j', (raw, serviceId, expected) => {
    expect(fieldsOf(smsEvent({ raw }), { serviceId: serviceId as never }).service_id).toBe(expected)
  })

  test('the id is the one of the gateway only if it is a UUID; other ids collide', () => {
    const event = smsEvent({ messageId: '1A2B3C' })
    expect(fieldsOf(event).message_id).toBe(event.id)
    expect(fieldsOf({ ...event, messageId: uuid.toUpperCase() }).message_id).toBe(uuid.toUpperCase())
    expect(fieldsOf({ ...event, messageId: `${uuid}\n` }).message_id).toBe(event.id)
  })

  test('the time is that of the gateway, else ours', () => {
    const event = smsEvent({ occurredAt: '2019-12-15T06:34:14.900Z', receivedAt: '2020-01-01T00:00:00.000Z' })
    expect(fieldsOf(event).timestamp).toBe('1576391654')
    expect(fieldsOf({ ...event, occurredAt: null }).timestamp).toBe('1577836800')
  })

  test('neither the address nor the email of the inbound post is posted on', () => {
    const raw = { webhook_url: 'https://theirs.example.com', webhook_url_fallback: 'theirs@example.com' }
    expect(compose(smsEvent({ raw }), context).body).not.toContain('theirs')
  })

  test('names and numbers without E.164 are posted as they came', () => {
    const from = { raw: 'Bob & Co', kind: 'alpha' as const, e164: null }
    const to = { raw: '12345', kind: 'short' as const, e164: null }
    expect(fieldsOf(smsEvent({ from, to }))).toMatchObject({ from: 'Bob & Co', sms_number: '12345' })
  })

  test('half an emoji does not throw', () => {
    expect(fieldsOf(smsEvent({ text: 'cut \ud83c' })).body).toBe('cut \ufffd')
    expect(fieldsOf(smsEvent({ text: 'whole \ud83c\udf39' })).body).toBe('whole 🌹')
  })

  test('tries as the documentation of the PBX says, and waits as the default policy does', () => {
    expect(format).toMatchObject({ name: 'urlNetworks', policy: policies.sms })
    expect(Object.keys(format.carries)).toEqual(['message.received'])
  })

  test('a secret would do nothing, and that is said', () => {
    expect(secretsFault([])).toBeNull()
    expect(secretsFault(['x'])).toMatch(/signs nothing; leave `secret` out/)
  })

  test('our own gateway reads back all that the form carries', () => {
    const gateway = gateways.urlNetworks({ token: 'x' })
    const number = fc.constantFrom('+61412345678', '+442079460000', '+12025550123')
    const text = fc.string({ unit: 'binary', maxLength: 60 })
    fc.assert(
      fc.property(
        number,
        number,
        text,
        fc.uuid(),
        fc.integer({ min: 1e9, max: 4e9 }),
        (from, to, body, id, seconds) => {
          const event = smsEvent({
            from: { raw: from, kind: 'e164', e164: from },
            to: { raw: to, kind: 'e164', e164: to },
            text: body,
            messageId: id,
            occurredAt: new Date(seconds * 1_000).toISOString(),
            raw: { service_id: 'service-7' },
          })
          const form = decodeForm(Buffer.from(compose(event, context).body))
          const [draft] = gateway.parse({ form: () => form } as GatewayRequest)
          expect(draft).toMatchObject({
            identity: id,
            from: event.from,
            to: event.to,
            text: body,
            messageId: id,
            occurredAt: event.occurredAt,
            notes: [],
            raw: {
              service_id: 'service-7',
              webhook_url: context.url,
              webhook_url_fallback: context.fallbackTo,
            },
          })
        },
      ),
    )
  })
})
