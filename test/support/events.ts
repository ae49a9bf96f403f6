// Events and endpoints to test with.
import type { Endpoint } from '../../lib/delivery.ts'
import type { SmsEvent } from '../../lib/event.ts'

let count = 0

/** A received message; every one has an identity of its own unless one is given. */
export const smsEvent = (fields: Partial<SmsEvent> = {}): SmsEvent => {
  count += 1
  const suffix = String(count).padStart(12, '0')
  return {
    id: `01900000-0000-7000-8000-${suffix}`,
    gateway: 'pbx',
    identity: `message-${suffix}`,
    type: 'message.received',
    from: { raw: '+61412345678', kind: 'e164', e164: '+61412345678' },
    to: { raw: '+61298765432', kind: 'e164', e164: '+61298765432' },
    text: `Hello ${count}`,
    media: [],
    intent: null,
    encrypted: false,
    messageId: `message-${suffix}`,
    reason: null,
    occurredAt: '2026-01-01T00:00:00.000Z',
    receivedAt: '2026-01-01T00:00:01.000Z',
    notes: [],
    raw: { body: `Hello ${count}` },
    ...fields,
  }
}

export const webhookEndpoint = (fields: Partial<Endpoint> = {}): Endpoint => ({
  id: 'crm',
  kind: 'webhook',
  url: 'https://crm.example.com/sms',
  guarded: false,
  format: 'urlNetworks',
  secrets: [],
  serviceId: null,
  mailTo: null,
  policy: null,
  ...fields,
})
