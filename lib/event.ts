// What a gateway reported, in our own words. Every gateway parses into this shape and every format is
// composed from it. How one gateway spells it lives in gateways/.
import { z } from 'zod'

export const eventTypes = [
  'message.received',
  'message.sent',
  'message.delivered',
  'message.failed',
  'message.expired',
  'link.clicked',
  'call.missed',
  'device.online',
  'device.offline',
  'device.ping',
  'unknown',
] as const

export const addressSchema = z.object({
  /** The address exactly as it came. */
  raw: z.string(),
  kind: z.enum(['e164', 'national', 'short', 'alpha', 'email', 'unknown']),
  /** `+` and 7 to 15 digits (ITU-T E.164); null unless `kind` is `e164`. */
  e164: z.string().nullable(),
})

export const mediaSchema = z.object({
  contentType: z.string(),
  name: z.string().nullable(),
  /** Bytes; null when the gateway did not say. */
  size: z.number().int().nonnegative().nullable(),
  /** Base64; null when only a URL came. */
  data: z.string().nullable(),
  url: z.string().nullable(),
})

export const eventSchema = z.object({
  /** Ours, a UUIDv7. */
  id: z.string(),
  /** The name the gateway has in the configuration. */
  gateway: z.string(),
  /** The gateway's own identity of this event; (gateway, identity) is unique. */
  identity: z.string().min(1),
  type: z.enum(eventTypes),
  /** Who sent the message; for status events our number. */
  from: addressSchema.nullable(),
  /** Who got the message; for status events the other side. */
  to: addressSchema.nullable(),
  text: z.string().nullable(),
  media: z.array(mediaSchema),
  /** What a whole-message opt-out word asks for. */
  intent: z.enum(['stop', 'start', 'help']).nullable(),
  /** True when `text` is ciphertext that could not be read. */
  encrypted: z.boolean(),
  /** The gateway's id of the SMS that this event is about. */
  messageId: z.string().nullable(),
  /** Why it failed or expired, in the gateway's own words. */
  reason: z.string().nullable(),
  /** The gateway's time, ISO 8601 in UTC; null when it made no sense. */
  occurredAt: z.iso.datetime().nullable(),
  /** Our time, ISO 8601 in UTC. */
  receivedAt: z.iso.datetime(),
  /** What was repaired or guessed while reading: `plus`, `charset:windows-1252`, ... */
  notes: z.array(z.string()),
  /** The parsed body as it came, configured tokens replaced by `***`. */
  raw: z.unknown(),
})

z.globalRegistry.add(eventSchema, { description: 'a whole event, as a handler gets it' })

export type EventType = (typeof eventTypes)[number]
export type Address = z.infer<typeof addressSchema>
export type Media = z.infer<typeof mediaSchema>
export type SmsEvent = z.infer<typeof eventSchema>
export type Intent = NonNullable<SmsEvent['intent']>

/** What a gateway says: an event without the three fields that only the receiver knows. */
export const eventDraftSchema = eventSchema.omit({ id: true, gateway: true, receivedAt: true })
export type EventDraft = z.infer<typeof eventDraftSchema>

/** Where our own number is: it got what others sent and is the sender of all else. */
export const ourSide = (type: EventType): 'from' | 'to' =>
  type === 'message.received' || type === 'call.missed' ? 'to' : 'from'
