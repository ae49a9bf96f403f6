// The SQL of what becomes of a try: the attempt, the delivery and its entry, at once or not at all. Many share one
// transaction, and none is open while a try is made.
import { v7 } from 'uuid'
import type { Attempt, Next } from '../../delivery.ts'
import type { Lease } from '../../engine.ts'
import { attemptOf, type Held } from './leases.ts'
import type { Tx } from './pool.ts'
import { entryOf, mailEntryOf, notify, overtaken, type Store } from './store.ts'

export type Settling = { lease: Lease; attempt: Attempt | null; next: Next; now: number }
export type Settled = 'settled' | 'lost'

const states = { delivered: 'delivered', retry: 'pending', mailing: 'mailing', failed: 'failed' } as const

const reasonOf = (next: Next) => (next.to === 'mailing' || next.to === 'failed' ? next.reason : null)

const isHolding = ({ next }: Settling): boolean => next.to === 'retry' && next.hold

type Row = Settling & { mail: string | null; held: Held }

const insertMails = async (tx: Tx, store: Store, rows: readonly Row[]) => {
  const owed = rows.flatMap(({ next, mail, now }) =>
    next.to === 'mailing' ? [{ id: mail!, mail: next.mail, now }] : [],
  )
  if (owed.length === 0) return
  await tx.query(
    `INSERT INTO ${store.schema}.mails (id, recipients, message_id, created_at, due_at)
     SELECT t.id, t.recipients, t.message_id, t.at, t.at
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::double precision[]) WITH ORDINALITY
       AS t (id, recipients, message_id, at, n) ORDER BY t.n`,
    [
      owed.map(({ id }) => id),
      owed.map(({ mail }) => JSON.stringify(mail.to)),
      owed.map(({ mail }) => mail.messageId),
      owed.map(({ now }) => now),
    ],
  )
  const entries = owed.map(({ id, now }) =>
    mailEntryOf({ id, interruptions: 0, dueAt: now }, now, store.aheadMs),
  )
  await store.queue.put(tx, 'mails', entries)
}

/** How often each of those was tried whose lease is still theirs. */
const update = async (tx: Tx, { schema }: Store, rows: readonly Row[]): Promise<Map<string, number>> => {
  const { rows: updated } = await tx.query(
    `WITH settled AS (
       SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::double precision[], $5::boolean[],
         $6::double precision[], $7::text[], $8::uuid[], $9::double precision[], $10::double precision[], $11::text[])
       AS t (id, token, state, due_at, hold, ended_at, reason, mail, started_at, took_ms, outcome)
     ), updated AS (
       UPDATE ${schema}.deliveries d SET state = t.state, tries = d.tries + (t.outcome IS NOT NULL)::int,
         trying = false, due_at = t.due_at, lease = CASE WHEN t.hold THEN d.lease END, ended_at = t.ended_at,
         reason = t.reason, mail = t.mail
       FROM settled t WHERE d.id = t.id AND d.lease = t.token AND d.state = 'pending'
       RETURNING d.id, d.round, d.tries, t.started_at, t.took_ms, t.outcome
     ), tried AS (
       INSERT INTO ${schema}.attempts (delivery, round, n, started_at, took_ms, outcome)
       SELECT id, round, tries, started_at, took_ms, outcome FROM updated WHERE outcome IS NOT NULL
     )
     SELECT id, tries FROM updated`,
    [
      rows.map(({ lease }) => lease.id),
      rows.map(({ lease }) => lease.token),
      rows.map(({ next }) => states[next.to]),
      rows.map(({ next }) => (next.to === 'retry' ? next.dueAt : null)),
      rows.map(isHolding),
      rows.map(({ next, now }) => (next.to === 'delivered' || next.to === 'failed' ? now : null)),
      rows.map(({ next }) => reasonOf(next)),
      rows.map(({ mail }) => mail),
      rows.map(({ attempt }) => attempt?.startedAt),
      rows.map(({ attempt }) => attempt?.tookMs),
      rows.map(({ attempt }) => attempt && JSON.stringify(attempt.outcome)),
    ],
  )
  return new Map(updated.map(({ id, tries }) => [id, tries]))
}

const park = async (tx: Tx, store: Store, rows: readonly Row[], tries: Map<string, number>) => {
  const entries = rows.flatMap(({ lease, next, held, now }) => {
    if (next.to !== 'retry' || next.hold) return []
    const { group, chars } = held
    const waiting = { id: lease.id, group, tries: tries.get(lease.id)!, dueAt: next.dueAt, chars }
    return entryOf(waiting, now, store.aheadMs)
  })
  await store.queue.put(tx, 'deliveries', entries)
}

const isDue = ({ next, now }: Row): boolean =>
  next.to === 'mailing' || (next.to === 'retry' && !next.hold && next.dueAt <= now)

/** Those that this process was handed, of two with one lease the first. */
const rowsOf = ({ leases }: Store, calls: readonly Settling[]): Map<Settling, Row> => {
  const seen = new Set<Held>()
  const rows = new Map<Settling, Row>()
  for (const call of calls) {
    const held = leases.get(call.lease)
    if (!held || seen.has(held)) continue
    seen.add(held)
    rows.set(call, { ...call, mail: call.next.to === 'mailing' ? v7() : null, held })
  }
  return rows
}

/** One answer for each call, in order. */
export const settle = async (tx: Tx, store: Store, calls: readonly Settling[]): Promise<Settled[]> => {
  const asked = rowsOf(store, calls)
  if (asked.size === 0) return calls.map(() => 'lost')
  // Out of the queue goes what is over, and what is parked goes in anew. What is held stays in work.
  const leaving = [...asked.values()].filter((row) => !isHolding(row))
  const attempts = leaving.map(({ held }) => attemptOf(held))
  const finished = await store.queue.finish(tx, 'deliveries', attempts)
  const tries = await update(tx, store, [...asked.values()])
  const rows = [...asked.values()].filter(({ lease }) => tries.has(lease.id))
  // Entries of whoever has taken over: put in anew meanwhile, they counted afresh and looked like ours.
  const taken = attempts.filter(({ id }) => finished.has(id) && !tries.has(id))
  if (taken.length > 0) {
    for (const { held } of asked.values()) if (!tries.has(held.lease.id)) store.leases.drop(held.lease)
    throw overtaken()
  }
  // Taken for dead meanwhile, but nobody has claimed it since.
  const others = rows.filter((row) => !isHolding(row) && !finished.has(row.lease.id))
  await store.queue.drop(
    tx,
    'deliveries',
    others.map(({ lease }) => lease.id),
  )
  await insertMails(tx, store, rows)
  await park(tx, store, rows, tries)
  if (rows.some(isDue)) await notify(tx, store)
  return calls.map((call) => (asked.has(call) && tries.has(call.lease.id) ? 'settled' : 'lost'))
}

/** After the commit: what is not ours any more need not be kept alive, and a wait is kept to its end. */
export const afterSettling = ({ leases }: Store, { lease, next }: Settling, answer: Settled): void => {
  const held = leases.get(lease)
  if (!held) return
  if (answer === 'settled' && next.to === 'retry' && next.hold)
    held.endsAt = Math.max(held.endsAt, next.dueAt)
  else leases.drop(lease)
}
