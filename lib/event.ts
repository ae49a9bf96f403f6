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

/** What happened. */
export type EventType = (typeof eventTypes)[number]

/** Who sent or got a message, as it came and as it was read. */
export type Address = {
  /** The address exactly as it came. */
  raw: string
  /** What it was read as; `national` is a number whose country is not known. */
  kind: 'e164' | 'national' | 'short' | 'alpha' | 'email' | 'unknown'
  /** `+` and 7 to 15 digits (ITU-T E.164); null unless `kind` is `e164`. */
  e164: string | null
}

/** A file that came with a message. */
export type Media = {
  /** Its media type in the gateway's words. */
  contentType: string
  /** The name of the file; null when the gateway did not say. */
  name: string | null
  /** Bytes; null when the gateway did not say. */
  size: number | null
  /** Base64; null when only a URL came. */
  data: string | null
  /** Where the gateway keeps it; null when only the content came. */
  url: string | null
}

/** What a whole-message opt-out word asks for. */
export type Intent = 'stop' | 'start' | 'help'

/** One thing that a gateway reported: a message, what became of one, a call or a device. */
export type SmsEvent = {
  /** Ours, a UUIDv7. */
  id: string
  /** The name the gateway has in the configuration. */
  gateway: string
  /** The gateway's own identity of this event; (gateway, identity) is unique. */
  identity: string
  /** What happened. */
  type: EventType
  /** Who sent the message; for status events our number. */
  from: Address | null
  /** Who got the message; for status events the other side. */
  to: Address | null
  /** The words of the message; null where there are none. */
  text: string | null
  /** The files that came with it. */
  media: Media[]
  /** What a whole-message opt-out word asks for; null for any other text. */
  intent: Intent | null
  /** True when `text` is ciphertext that could not be read. */
  encrypted: boolean
  /** The gateway's id of the SMS that this event is about. */
  messageId: string | null
  /** Why it failed or expired, in the gateway's own words. */
  reason: string | null
  /** The gateway's time, ISO 8601 in UTC; null when it made no sense. */
  occurredAt: string | null
  /** Our time, ISO 8601 in UTC. */
  receivedAt: string
  /** What was repaired or guessed while reading: `plus`, `charset:windows-1252`, ... */
  notes: string[]
  /** The parsed body as it came, configured tokens replaced by `***`. */
  raw: unknown
}

// The types are written by hand, since the comments on a schema's fields do not reach whoever imports its type.
// That they are the same is held by test/types/schemas.ts.
export const addressSchema = z.object({
  raw: z.string(),
  kind: z.enum(['e164', 'national', 'short', 'alpha', 'email', 'unknown']),
  e164: z.string().nullable(),
}) satisfies z.ZodType<Address>

export const mediaSchema = z.object({
  contentType: z.string(),
  name: z.string().nullable(),
  size: z.number().int().nonnegative().nullable(),
  data: z.string().nullable(),
  url: z.string().nullable(),
}) satisfies z.ZodType<Media>

export const eventSchema = z.object({
  id: z.string(),
  gateway: z.string(),
  identity: z.string().min(1),
  type: z.enum(eventTypes),
  from: addressSchema.nullable(),
  to: addressSchema.nullable(),
  text: z.string().nullable(),
  media: z.array(mediaSchema),
  intent: z.enum(['stop', 'start', 'help']).nullable(),
  encrypted: z.boolean(),
  messageId: z.string().nullable(),
  reason: z.string().nullable(),
  occurredAt: z.iso.datetime().nullable(),
  receivedAt: z.iso.datetime(),
  notes: z.array(z.string()),
  raw: z.unknown(),
}) satisfies z.ZodType<SmsEvent>

z.globalRegistry.add(eventSchema, { description: 'a whole event, as a handler gets it' })

/** What a gateway says: an event without the three fields that only the receiver knows. */
export type EventDraft = Omit<SmsEvent, 'id' | 'gateway' | 'receivedAt'>
export const eventDraftSchema = eventSchema.omit({
  id: true,
  gateway: true,
  receivedAt: true,
}) satisfies z.ZodType<EventDraft>

/** Where our own number is: it got what others sent and is the sender of all else. */
export const ourSide = (type: EventType): 'from' | 'to' =>
  type === 'message.received' || type === 'call.missed' ? 'to' : 'from'
