// The event that is delivered in the benches, each with an identity of its own.
import { randomUUID } from 'node:crypto'
import type { SmsEvent } from 'smshook'

export const newEvent = (to = '+61298765432'): SmsEvent => {
  const messageId = randomUUID()
  const from = '+61412345678'
  const text = 'Are you open on Sunday? I would come by at ten.'
  const at = new Date().toISOString()
  return {
    id: randomUUID(),
    gateway: 'pbx',
    identity: messageId,
    type: 'message.received',
    from: { raw: from, kind: 'e164', e164: from },
    to: { raw: to, kind: 'e164', e164: to },
    text,
    media: [],
    intent: null,
    encrypted: false,
    messageId,
    reason: null,
    occurredAt: at,
    receivedAt: at,
    notes: [],
    raw: {
      service_id: '12345',
      from,
      sms_number: to,
      body: text,
      message_id: messageId,
      timestamp: '1576391654',
    },
  }
}
