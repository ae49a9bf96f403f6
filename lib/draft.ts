// What a gateway read from a request, completed to an event without the three fields that only the receiver
// knows. So that a gateway says no more than what was in the request.
import { hash, randomUUID } from 'node:crypto'
import { PayloadError } from './errors.ts'
import { type Address, type EventDraft, eventDraftSchema, ourSide } from './event.ts'
import { textOf } from './fields.ts'
import { instantOfIso } from './instants.ts'
import { intentOf } from './intent.ts'
import { address, type Country, countryOf } from './phone.ts'

type Lenient<Fields> = { [Name in keyof Fields]?: Fields[Name] | undefined }

/** What is left out is empty; `type` is `message.received` and `intent` is read from the text. */
export type Draft = Lenient<Omit<EventDraft, 'identity' | 'from' | 'to' | 'occurredAt' | 'notes'>> & {
  /**
   * The sender's own id of the event, the same when it is sent again. Null where the sender gives none: what was
   * said stands for it, or, where no time tells one "Yes" from another, nothing does: better twice than never.
   */
  identity: string | null | undefined
  /** As it came, or read already. */
  from?: Address | string | null | undefined
  to?: Address | string | null | undefined
  /** An ISO 8601 text in UTC, or a Date. One that makes no sense is null. */
  occurredAt?: Date | string | null | undefined
  notes?: readonly string[] | undefined
}

/** The country of numbers that came without its code; `ours`: that of our own number in the same message. */
export type HomeCountry = Country | 'ours'

const read = (value: Draft['from'], country: Country | undefined): Address | null => {
  const raw = textOf(value)
  if (raw === null) return (value as Address | undefined) ?? null
  return raw.trim() === '' ? null : address(raw, country)
}

const addressesOf = ({ from, to }: Draft, side: 'from' | 'to', country: HomeCountry | undefined) => {
  if (country !== 'ours') return { from: read(from, country), to: read(to, country) }
  const ours = read(side === 'from' ? from : to, undefined)
  const home = ours ? countryOf(ours) : undefined
  return side === 'from' ? { from: ours, to: read(to, home) } : { from: read(from, home), to: ours }
}

const isoOf = (occurredAt: Draft['occurredAt']): string | null => {
  if (!(occurredAt instanceof Date)) return instantOfIso(occurredAt)
  return Number.isNaN(occurredAt.getTime()) ? null : occurredAt.toISOString()
}

const identityOf = (
  { identity, raw }: Draft,
  occurredAt: string | null,
): { identity: unknown; note?: string } => {
  if (identity !== null) return { identity: textOf(identity) }
  if (occurredAt === null) return { identity: randomUUID(), note: 'identity:random' }
  return { identity: hash('sha256', JSON.stringify([raw, occurredAt])), note: 'identity:hash' }
}

/** A copy in which a file's bytes, which `media` holds, are not held once more. */
const withoutFiles = (value: unknown, files: ReadonlySet<string>): unknown => {
  if (typeof value === 'string') return files.has(value) ? '(in media)' : value
  if (Array.isArray(value)) return value.map((item) => withoutFiles(item, files))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withoutFiles(item, files)]))
}

const rawOf = ({ raw, media = [] }: Draft): unknown => {
  const files = new Set(media.flatMap(({ data }) => data || []))
  return files.size === 0 ? raw : withoutFiles(raw, files)
}

const faultOf = ({ path, message }: { path: readonly PropertyKey[]; message: string }): string =>
  `\`${path.join('.')}\`: ${message}`

/** Throws a PayloadError, which quotes nothing of it, when what was read is no event. */
export const completed = (draft: Draft, country?: HomeCountry): EventDraft => {
  const { type = 'message.received', media = [], encrypted = false, notes = [] } = draft
  const text = textOf(draft.text)
  const occurredAt = isoOf(draft.occurredAt)
  const { identity, note } = identityOf(draft, occurredAt)
  const { from, to } = addressesOf(draft, ourSide(type), country)
  const event = {
    identity,
    type,
    from,
    to,
    text,
    media,
    intent: draft.intent ?? (type === 'message.received' && !encrypted ? intentOf(text) : null),
    encrypted,
    messageId: textOf(draft.messageId),
    reason: draft.reason ?? null,
    occurredAt,
    notes: note === undefined ? [...notes] : [...notes, note],
    raw: rawOf(draft) ?? null,
  }
  const result = eventDraftSchema.safeParse(event)
  if (result.success) return event as EventDraft
  throw new PayloadError(
    'body-unreadable',
    `no event can be made of it: ${result.error.issues.map(faultOf).join('; ')}`,
  )
}
