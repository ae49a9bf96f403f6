// The SQL of accepting: events, what they owe, and the entries of that, at once or not at all.
import { createHmac } from 'node:crypto'
import { v7 } from 'uuid'
import type { Endpoint } from '../../delivery.ts'
import type { Acceptance, Accepted } from '../../engine.ts'
import type { Tx } from './pool.ts'
import { columnText, entryOf, groupOf, notify, type Store } from './store.ts'

/** An acceptance with its event as JSON already, and the hash that tells a repeat. */
export type AcceptanceRow = {
  id: string
  hash: string
  /** What it would be in the stores that were copied into this one. */
  formerHashes: readonly string[]
  gateway: string
  event: string
  hasMedia: boolean
  endpoints: readonly Endpoint[]
  isJoining: boolean
}

type Owed = { id: string; row: number; event: string; chars: number; endpoint: Endpoint }

const asBytes = (hash: string): Buffer => Buffer.from(hash, 'hex')

export const hashOf = (key: Uint8Array, gateway: string, identity: string): string =>
  createHmac('sha256', key)
    .update(JSON.stringify([gateway, identity]))
    .digest('hex')

export const acceptanceRow = (
  { event, endpoints, join = false }: Acceptance,
  { hashKey, formerKeys }: Pick<Store, 'hashKey' | 'formerKeys'>,
): AcceptanceRow => ({
  id: event.id,
  hash: hashOf(hashKey, event.gateway, event.identity),
  formerHashes: formerKeys.map((key) => hashOf(key, event.gateway, event.identity)),
  gateway: event.gateway,
  event: JSON.stringify(event),
  hasMedia: event.media.length > 0,
  endpoints,
  isJoining: join,
})

/** The first of each hash. */
const firsts = (rows: readonly AcceptanceRow[]): Map<string, AcceptanceRow> => {
  const found = new Map<string, AcceptanceRow>()
  for (const row of rows) if (!found.has(row.hash)) found.set(row.hash, row)
  return found
}

/** Rows by hash: those of events that are new, sorted so that two processes do not wait for each other. */
const insertEvents = async (tx: Tx, { schema }: Store, rows: AcceptanceRow[], now: number) => {
  rows.sort((a, b) => (a.hash < b.hash ? -1 : 1))
  const stored = await tx.query(
    `INSERT INTO ${schema}.events (id, hash, gateway, stored_at, event, has_media)
     SELECT t.id, t.hash, t.gateway, $6, t.event, t.has_media
     FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::boolean[])
       AS t (id, hash, gateway, event, has_media)
     WHERE NOT EXISTS (SELECT 1 FROM ${schema}.repeats r WHERE r.hash = t.hash)
     ON CONFLICT (hash) DO NOTHING RETURNING seq::text, encode(hash, 'hex') AS hash`,
    [
      rows.map(({ id }) => columnText(id)),
      rows.map(({ hash }) => asBytes(hash)),
      rows.map(({ gateway }) => columnText(gateway)),
      rows.map(({ event }) => event),
      rows.map(({ hasMedia }) => hasMedia),
      now,
    ],
  )
  const events = new Map<string, string>(stored.rows.map(({ seq, hash }) => [hash, seq]))
  if (events.size === 0) return events
  // The statement waits for whoever removes one of them, and then does not see yet the hash that is left of it.
  const gone = await tx.query(
    `DELETE FROM ${schema}.events WHERE hash IN (SELECT hash FROM ${schema}.repeats WHERE hash = ANY($1))
     RETURNING encode(hash, 'hex') AS hash`,
    [[...events.keys()].map(asBytes)],
  )
  for (const { hash } of gone.rows) events.delete(hash)
  return events
}

/** Those that came before and were gone already when their store was copied into this one. */
const goneBefore = async (tx: Tx, { schema }: Store, rows: readonly AcceptanceRow[]) => {
  const asked = rows.flatMap(({ formerHashes }) => formerHashes)
  if (asked.length === 0) return new Set<AcceptanceRow>()
  const { rows: found } = await tx.query(
    `SELECT encode(hash, 'hex') AS hash FROM ${schema}.repeats WHERE hash = ANY($1)`,
    [asked.map(asBytes)],
  )
  const known = new Set<string>(found.map(({ hash }) => hash))
  return new Set(rows.filter(({ formerHashes }) => formerHashes.some((hash) => known.has(hash))))
}

const joinable = async (tx: Tx, { schema }: Store, hashes: readonly string[]) => {
  if (hashes.length === 0) return new Map<string, string>()
  const known = await tx.query(
    `SELECT seq::text, encode(hash, 'hex') AS hash FROM ${schema}.events WHERE hash = ANY($1) AND has_text
     ORDER BY events.seq FOR KEY SHARE`,
    [hashes.map(asBytes)],
  )
  return new Map<string, string>(known.rows.map(({ seq, hash }) => [hash, seq]))
}

/** The ids of those that were not owed yet. */
const insertDeliveries = async (tx: Tx, { schema }: Store, owed: readonly Owed[], now: number) => {
  const inserted = await tx.query(
    `INSERT INTO ${schema}.deliveries (id, event, endpoint_id, kind, endpoint, created_at, due_at)
     SELECT t.id, t.event, t.endpoint_id, t.kind, t.endpoint, $6, $6
     FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[])
       WITH ORDINALITY AS t (id, event, endpoint_id, kind, endpoint, n)
     ORDER BY t.n
     ON CONFLICT (event, endpoint_id) DO NOTHING RETURNING id`,
    [
      owed.map(({ id }) => id),
      owed.map(({ event }) => event),
      owed.map(({ endpoint }) => columnText(endpoint.id)),
      owed.map(({ endpoint }) => endpoint.kind),
      owed.map(({ endpoint }) => JSON.stringify(endpoint)),
      now,
    ],
  )
  return new Set<string>(inserted.rows.map(({ id }) => id))
}

/** One answer for each row, in order. */
export const accept = async (
  tx: Tx,
  store: Store,
  rows: readonly AcceptanceRow[],
  now: number,
): Promise<Accepted[]> => {
  if (rows.length === 0) return []
  const first = firsts(rows)
  const gone = await goneBefore(tx, store, rows)
  const candidates = [...first.values()].filter((row) => !gone.has(row))
  const stored = await insertEvents(tx, store, candidates, now)
  const isNew = (row: AcceptanceRow) => stored.has(row.hash) && first.get(row.hash) === row
  const joining = rows.filter((row) => row.isJoining && !stored.has(row.hash)).map(({ hash }) => hash)
  const known = await joinable(tx, store, joining)

  const owed = rows.flatMap((row, index) => {
    const event = stored.get(row.hash) ?? known.get(row.hash)
    if (event === undefined || !(isNew(row) || row.isJoining)) return []
    return row.endpoints.map(
      (endpoint): Owed => ({ id: v7(), row: index, event, chars: row.event.length, endpoint }),
    )
  })
  const inserted = owed.length > 0 ? await insertDeliveries(tx, store, owed, now) : new Set<string>()
  const due = owed.filter(({ id }) => inserted.has(id))
  if (due.length > 0) {
    const entries = due.map(({ id, chars, endpoint }) =>
      entryOf(
        { id, group: groupOf(endpoint.kind, columnText(endpoint.id)), tries: 0, dueAt: now, chars },
        now,
        0,
      ),
    )
    await store.queue.put(tx, 'deliveries', entries)
    await notify(tx, store)
  }
  const joined = new Set(due.map(({ row }) => row))
  return rows.map((row, index) => (isNew(row) || joined.has(index) ? 'stored' : 'repeat'))
}
