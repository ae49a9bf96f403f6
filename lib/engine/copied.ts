// What goes from one engine's store to another's: rows as they rest, in slices that fit into memory and into one
// transaction. How they are read and written is each engine's own affair. JSON stays text.
import type { DeliveryState, MailState, Reason } from '../delivery.ts'
import type { QuarantinedRequest } from '../engine.ts'
import type { AttemptRow } from './rows.ts'

export type CopiedEvent = {
  id: string
  gateway: string
  identity: string
  storedAt: number
  event: string
  hasText: boolean
  hasMedia: boolean
  /** An earlier slice had it too, with other deliveries. */
  isAgain: boolean
}

/** Tells a row from all others of its table, now and when it is read again. */
export type Origin = { seq: number; createdAt: number }

/** A delivery as its mail knows it. */
export type CopiedMember = Origin & {
  eventId: string
  endpointId: string
  state: DeliveryState
  round: number
}

export type CopiedDelivery = CopiedMember & {
  endpoint: string
  tries: number
  interruptions: number
  dueAt: number | null
  endedAt: number | null
  reason: Reason | null
  attempts: (AttemptRow & { round: number })[]
}

export type CopiedMail = Origin & {
  recipients: string
  messageId: string
  state: MailState
  tries: number
  interruptions: number
  begunAt: number | null
  dueAt: number | null
  endedAt: number | null
  outcome: string | null
  members: CopiedMember[]
}

export type CopiedRequest = QuarantinedRequest & { hash: Uint8Array; reason: string }

/** The hash of an event that is gone, and when that was stored. */
export type CopiedRepeat = { hash: Uint8Array; storedAt: number }

/** Deliveries come with their events, in the order in which they came to be; mails come after all deliveries. */
export type CopiedSlice = {
  repeats?: CopiedRepeat[]
  events?: CopiedEvent[]
  deliveries?: CopiedDelivery[]
  mails?: CopiedMail[]
  requests?: CopiedRequest[]
}

/** How much a slice holds: so many rows, and so many bytes or a single row. */
export type SliceSize = { rows: number; bytes: number }

/** A store that is read. Nobody delivers from it until it is closed. */
export type CopySource = {
  /** What the hashes of events that are gone are keyed with; null: there are none. */
  readonly repeatKey: Uint8Array | null
  /** Throws an EngineError. */
  slices(): Iterable<CopiedSlice>
  close(): void
}

/** How many were copied, and how many were left alone since the target has them or what they belong to already. */
export type CopyCount = { copied: number; known: number }

/** What a copy did. `repeats` are the hashes of events that are gone, by which their repeats are known. */
export type Copied = Record<'events' | 'deliveries' | 'mails' | 'requests' | 'repeats', CopyCount>
