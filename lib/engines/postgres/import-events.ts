// Writes copied events and deliveries, with the attempts at these and the entries of those that wait.
import { createHash } from 'node:crypto'
import { v7 } from 'uuid'
import type { Endpoint } from '../../delivery.ts'
import type { CopiedDelivery, CopiedEvent, CopiedMember, Origin } from '../../engine/copied.ts'
import { hashOf } from './accept.ts'
import type { Tx } from './pool.ts'
import { columnText, entryOf, groupOf, notify, type Store } from './store.ts'

export type Turn = { tx: Tx; store: Store; now: number }

/** What `unnest` makes rows of again. */
export const column = <Row, Value>(rows: readonly Row[], of: (row: Row) => Value): Value[] => rows.map(of)

/** The same row gets the same id however often it is copied; ids are in the order in which the rows came to be. */
export const idOf = ({ seq, createdAt }: Origin, ...names: string[]): string =>
  v7({
    msecs: Math.max(0, Math.floor(createdAt)),
    seq: seq % 2 ** 32,
    random: createHash('sha256')
      .update(JSON.stringify([seq, ...names]))
      .digest(),
  })
export const deliveryId = (one: CopiedMember): string => idOf(one, one.eventId, one.endpointId)

/** What cannot be read any more is kept as it is. */
const kindOf = (endpoint: string): string => {
  try {
    const { kind } = JSON.parse(endpoint) as Endpoint
    return columnText(String(kind))
  } catch {
    return 'unknown'
  }
}

/** What the deliveries need to know of their event. */
type There = ReadonlyMap<string, { seq: string; chars: number }>

/** How many it did, and all that are there now by their ids. */
export const putEvents = async (
  { tx, store: { schema, hashKey } }: Turn,
  rows: readonly CopiedEvent[],
): Promise<{ copied: number; events: There }> => {
  if (rows.length === 0) return { copied: 0, events: new Map() }
  const ids = column(rows, ({ id }) => columnText(id))
  const hashes = column(rows, ({ gateway, identity }) =>
    Buffer.from(hashOf(hashKey, gateway, identity), 'hex'),
  )
  const inserted = await tx.query(
    `INSERT INTO ${schema}.events (id, hash, gateway, stored_at, event, has_text, has_media)
     SELECT t.id, t.hash, t.gateway, t.stored_at, t.event, t.has_text, t.has_media
     FROM unnest($1::text[], $2::bytea[], $3::text[], $4::double precision[], $5::text[], $6::boolean[], $7::boolean[])
       WITH ORDINALITY AS t (id, hash, gateway, stored_at, event, has_text, has_media, n)
     WHERE NOT EXISTS (SELECT 1 FROM ${schema}.repeats r WHERE r.hash = t.hash)
     ORDER BY t.n ON CONFLICT DO NOTHING`,
    [
      ids,
      hashes,
      column(rows, ({ gateway }) => columnText(gateway)),
      column(rows, ({ storedAt }) => storedAt),
      column(rows, ({ event }) => columnText(event)),
      column(rows, ({ hasText }) => hasText),
      column(rows, ({ hasMedia }) => hasMedia),
    ],
  )
  // Of a message that reached the target by itself, what it owes is the target's affair.
  const { rows: known } = await tx.query(
    `SELECT e.seq::text, e.id FROM ${schema}.events e JOIN unnest($1::text[], $2::bytea[]) AS t (id, hash)
       ON e.id = t.id AND e.hash = t.hash`,
    [ids, hashes],
  )
  const seqOf = new Map<string, string>(known.map(({ id, seq }) => [id, seq]))
  const events = rows.flatMap(({ id, event }) => {
    const seq = seqOf.get(columnText(id))
    return seq === undefined ? [] : [[id, { seq, chars: event.length }] as const]
  })
  return { copied: inserted.rowCount!, events: new Map(events) }
}

type Row = CopiedDelivery & { id: string; kind: string; event: string; chars: number }

/** Without their mails, which come last: a mail is there with all that it carries, or not yet. */
const insertDeliveries = async ({ tx, store: { schema } }: Turn, rows: readonly Row[]): Promise<Row[]> => {
  const inserted = await tx.query(
    `INSERT INTO ${schema}.deliveries (id, event, endpoint_id, kind, endpoint, state, tries, interruptions, round,
       created_at, due_at, ended_at, reason)
     SELECT t.id, t.event, t.endpoint_id, t.kind, t.endpoint, t.state, t.tries, t.interruptions, t.round,
       t.created_at, t.due_at, t.ended_at, t.reason
     FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::int[], $9::int[],
         $10::double precision[], $11::double precision[], $12::double precision[], $13::text[])
       WITH ORDINALITY AS t (id, event, endpoint_id, kind, endpoint, state, tries, interruptions, round,
         created_at, due_at, ended_at, reason, n)
     ORDER BY t.n ON CONFLICT DO NOTHING RETURNING id`,
    [
      column(rows, ({ id }) => id),
      column(rows, ({ event }) => event),
      column(rows, ({ endpointId }) => columnText(endpointId)),
      column(rows, ({ kind }) => kind),
      column(rows, ({ endpoint }) => columnText(endpoint)),
      column(rows, ({ state }) => state),
      column(rows, ({ tries }) => tries),
      column(rows, ({ interruptions }) => interruptions),
      column(rows, ({ round }) => round),
      column(rows, ({ createdAt }) => createdAt),
      column(rows, ({ dueAt }) => dueAt),
      column(rows, ({ endedAt }) => endedAt),
      column(rows, ({ reason }) => reason),
    ],
  )
  const ids = new Set<string>(inserted.rows.map(({ id }) => id))
  return rows.filter(({ id }) => ids.has(id))
}

const insertAttempts = async ({ tx, store: { schema } }: Turn, deliveries: readonly Row[]) => {
  const rows = deliveries.flatMap(({ id, attempts }) => attempts.map((attempt) => ({ id, ...attempt })))
  if (rows.length === 0) return
  await tx.query(
    `INSERT INTO ${schema}.attempts (delivery, round, n, started_at, took_ms, outcome)
     SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::double precision[], $5::double precision[], $6::text[])`,
    [
      column(rows, ({ id }) => id),
      column(rows, ({ round }) => round),
      column(rows, ({ n }) => n),
      column(rows, ({ startedAt }) => startedAt),
      column(rows, ({ tookMs }) => tookMs),
      column(rows, ({ outcome }) => columnText(outcome)),
    ],
  )
}

/** Or a process that has not got them would take them for nobody's before the one that has is started. */
const holdForHandlers = async ({ tx, store: { schema } }: Turn, waiting: readonly Row[]) => {
  const handlers = new Set(
    waiting.filter(({ kind }) => kind === 'handler').map(({ endpointId }) => endpointId),
  )
  if (handlers.size === 0) return
  await tx.query(
    `INSERT INTO ${schema}.handlers (endpoint_id, seen_at) SELECT t.id, now() FROM unnest($1::text[]) AS t (id)
     ORDER BY t.id ON CONFLICT (endpoint_id) DO UPDATE SET seen_at = now()`,
    [Array.from(handlers, columnText)],
  )
}

/** How many it did. Those of events that are not there are left out. */
export const putDeliveries = async (
  turn: Turn,
  deliveries: readonly CopiedDelivery[],
  events: There,
): Promise<number> => {
  const { tx, store, now } = turn
  const rows = deliveries.flatMap((delivery): Row[] => {
    const event = events.get(delivery.eventId)
    if (!event) return []
    const { seq, chars } = event
    return [{ ...delivery, id: deliveryId(delivery), kind: kindOf(delivery.endpoint), event: seq, chars }]
  })
  const inserted = await insertDeliveries(turn, rows)
  await insertAttempts(turn, inserted)
  const waiting = inserted.filter(({ state }) => state === 'pending')
  await holdForHandlers(turn, waiting)
  const entries = waiting.map(({ id, kind, endpointId, tries, dueAt, chars }) => {
    const group = groupOf(kind, columnText(endpointId))
    return entryOf({ id, group, tries, dueAt: dueAt!, chars }, now, store.aheadMs)
  })
  await store.queue.put(tx, 'deliveries', entries)
  if (waiting.length > 0) await notify(tx, store)
  return inserted.length
}
