// The format `standard`: the event as JSON, signed as the Standard Webhooks specification says.
import { createHmac } from 'node:crypto'
import { eventTypes } from '../event.ts'
import type { CarriedField, Format } from '../gateway.ts'
import { policies } from '../policies.ts'

const base64 = /^[A-Za-z0-9+/]+={0,2}$/

const keyOf = (secret: string): Buffer => Buffer.from(secret.replace(/^whsec_/, ''), 'base64')

/** It is the event itself. */
const everything: readonly CarriedField[] = [
  'identity',
  'from',
  'to',
  'text',
  'media',
  'intent',
  'encrypted',
  'messageId',
  'reason',
  'occurredAt',
]

export const standardFormat = {
  name: 'standard',
  carries: Object.fromEntries(eventTypes.map((type) => [type, everything])),
  // The specification's own schedule takes three days; nobody waits that long for a missed text.
  policy: { ...policies.sms, success: '2xx', endOn: [410] },
  secretsFault: (secrets) => {
    if (secrets.length === 0) return 'the format `standard` signs what it posts; write a `secret`'
    const fits = secrets.every((secret) => {
      const size = base64.test(secret.replace(/^whsec_/, '')) ? keyOf(secret).length : 0
      // 24 to 64 bytes: the specification's range for a symmetric secret.
      return size >= 24 && size <= 64
    })
    return fits ? null : 'the format `standard` wants `whsec_` and the base64 of 24 to 64 bytes as `secret`'
  },
  compose: (event, { secrets, now }) => {
    const body = JSON.stringify(event)
    const timestamp = String(Math.floor(now / 1000))
    const signatures = secrets.map((secret) => {
      const mac = createHmac('sha256', keyOf(secret)).update(`${event.id}.${timestamp}.${body}`)
      return `v1,${mac.digest('base64')}`
    })
    return {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': event.id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signatures.join(' '),
      },
      body,
    }
  },
} satisfies Format
