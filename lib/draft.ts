// What a gateway read from a request, completed to an event without the three fields that only the receiver
// knows. So that a gateway says no more than what was in the request.
import { hash, randomUUID } from 'node:crypto'
import { PayloadError } from './errors.ts'
import type { Address, EventDraft } from './event.ts'
import { ourSide } from './event.ts'
import { intentOf } from './intent.ts'
import { address, type Country, countryOf } from './phone.ts'

type Lenient<Fields> = { [Name in keyof Fields]?: Fields[Name] | undefined }

/** What is left out is empty; `type` is `message.received` and `intent` is read from the text. */
export type Draft = Lenient<Omit<EventDraft, 'identity' | 'from' | 'to' | 'occurredAt' | 'notes'>> & {
  /** The sender's own id of the event, the same when it is sent again. Without one it is refused. */
  identity: string | null | undefined
  /** As it came, or read already. */
  from?: Address | string | null | undefined
  to?: Address | string | null | undefined
  /** An ISO 8601 text in UTC, or a Date. One that makes no sense is null. */
  occurredAt?: Date | string | null | undefined
  notes?: readonly string[] | undefined
}

/**
 * The identity of what came without an id: what it says, where that tells it from others (such as its time), else
 * one at random: better twice than never. Keep the note.
 */
export const substituteIdentity = (
  parts: readonly unknown[],
  isTelling: boolean,
): { identity: string; note: string } =>
  isTelling
    ? { identity: hash('sha256', JSON.stringify(parts)), note: 'identity:hash' }
    : { identity: randomUUID(), note: 'identity:random' }

/** The country of numbers that came without its code; `ours`: that of our own number in the same message. */
export type HomeCountry = Country | 'ours'

const read = (value: Draft['from'], country: Country | undefined): Address | null => {
  if (typeof value !== 'string') return value ?? null
  return value.trim() === '' ? null : address(value, country)
}

const addressesOf = ({ from, to }: Draft, side: 'from' | 'to', country: HomeCountry | undefined) => {
  if (country !== 'ours') return { from: read(from, country), to: read(to, country) }
  const ours = read(side === 'from' ? from : to, undefined)
  const home = ours ? countryOf(ours) : undefined
  return side === 'from' ? { from: ours, to: read(to, home) } : { from: read(from, home), to: ours }
}

const isoOf = (occurredAt: Draft['occurredAt']): string | null => {
  if (occurredAt === null || occurredAt === undefined) return null
  const at = new Date(occurredAt)
  return Number.isNaN(at.getTime()) ? null : at.toISOString()
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

/** Throws a PayloadError when there is no identity: what cannot be told apart cannot be kept once. */
export const completed = (draft: Draft, country?: HomeCountry): EventDraft => {
  const { identity, type = 'message.received', text = null, occurredAt } = draft
  if (typeof identity !== 'string' || identity === '')
    throw new PayloadError('body-unreadable', 'there is no id by which the event could be known')
  const { from, to } = addressesOf(draft, ourSide(type), country)
  return {
    identity,
    type,
    from,
    to,
    text,
    media: draft.media ?? [],
    intent: draft.intent ?? (type === 'message.received' && !draft.encrypted ? intentOf(text) : null),
    encrypted: draft.encrypted ?? false,
    messageId: draft.messageId ?? null,
    reason: draft.reason ?? null,
    occurredAt: isoOf(occurredAt),
    notes: [...(draft.notes ?? [])],
    raw: rawOf(draft) ?? null,
  }
}
