// The SQL of what becomes of a try: the attempt, the delivery and its entry, at once or not at all. Many share one
// transaction, and none is open while a try is made.
import { v7 } from 'uuid'
import type { Attempt, Next } from '../../delivery.ts'
import type { Lease } from '../../engine.ts'
import { attemptOf, type Held } from './leases.ts'
import type { Tx } from './pool.ts'
import { entryOf, mailEntryOf, notify, ours, overtaken, type Store } from './store.ts'

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

const update = async (tx: Tx, { schema }: Store, rows: readonly Row[]): Promise<Map<string, number>> => {
  const { rows: updated } = await tx.query(
    `UPDATE ${schema}.deliveries d SET state = t.state, tries = d.tries + t.tried, trying = false,
       due_at = t.due_at, lease = CASE WHEN t.hold THEN d.lease END, ended_at = t.ended_at, reason = t.reason,
       mail = t.mail
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::double precision[], $6::boolean[],
         $7::double precision[], $8::text[], $9::uuid[])
       AS t (id, token, state, tried, due_at, hold, ended_at, reason, mail)
     WHERE d.id = t.id AND d.lease = t.token AND d.state = 'pending' RETURNING d.id, d.tries`,
    [
      rows.map(({ lease }) => lease.id),
      rows.map(({ lease }) => lease.token),
      rows.map(({ next }) => states[next.to]),
      rows.map(({ attempt }) => (attempt ? 1 : 0)),
      rows.map(({ next }) => (next.to === 'retry' ? next.dueAt : null)),
      rows.map(isHolding),
      rows.map(({ next, now }) => (next.to === 'delivered' || next.to === 'failed' ? now : null)),
      rows.map(({ next }) => reasonOf(next)),
      rows.map(({ mail }) => mail),
    ],
  )
  if (updated.length < rows.length) throw overtaken()
  return new Map(updated.map(({ id, tries }) => [id, tries]))
}

const insertAttempts = async (
  tx: Tx,
  { schema }: Store,
  rows: readonly Row[],
  tries: Map<string, number>,
) => {
  const tried = rows.flatMap(({ lease, attempt }) => (attempt ? [{ id: lease.id, attempt }] : []))
  if (tried.length === 0) return
  await tx.query(
    `INSERT INTO ${schema}.attempts (delivery, round, n, started_at, took_ms, outcome)
     SELECT t.id, d.round, t.n, t.started_at, t.took_ms, t.outcome
     FROM unnest($1::uuid[], $2::int[], $3::double precision[], $4::double precision[], $5::text[])
       AS t (id, n, started_at, took_ms, outcome)
     JOIN ${schema}.deliveries d ON d.id = t.id`,
    [
      tried.map(({ id }) => id),
      tried.map(({ id }) => tries.get(id)),
      tried.map(({ attempt }) => attempt.startedAt),
      tried.map(({ attempt }) => attempt.tookMs),
      tried.map(({ attempt }) => JSON.stringify(attempt.outcome)),
    ],
  )
}

/** Out of the queue goes what is over, and what is parked goes in anew. What is held stays in work. */
const takeOut = async (tx: Tx, { queue }: Store, rows: readonly Row[]): Promise<void> => {
  const leaving = rows.filter((row) => !isHolding(row))
  const attempts = leaving.map(({ held }) => attemptOf(held))
  const finished = await queue.finish(tx, 'deliveries', attempts)
  // Taken for lost meanwhile, and handed to nobody since: our row says so, or says otherwise below.
  const others = leaving.filter(({ lease }) => !finished.has(lease.id)).map(({ lease }) => lease.id)
  await queue.drop(tx, 'deliveries', others)
}

const park = async (tx: Tx, store: Store, rows: readonly Row[], tries: Map<string, number>) => {
  const entries = rows.flatMap((row) => {
    const { lease, next, held, now } = row
    if (next.to !== 'retry' || next.hold) return []
    const waiting = {
      id: lease.id,
      group: held.group,
      tries: tries.get(lease.id)!,
      dueAt: next.dueAt,
      chars: held.chars,
    }
    return entryOf(waiting, now, store.aheadMs)
  })
  await store.queue.put(tx, 'deliveries', entries)
}

const isDue = ({ next, now }: Row): boolean =>
  next.to === 'mailing' || (next.to === 'retry' && !next.hold && next.dueAt <= now)

/** One answer for each call, in order. */
export const settle = async (tx: Tx, store: Store, calls: readonly Settling[]): Promise<Settled[]> => {
  const valid = await ours(
    tx,
    store,
    'deliveries',
    calls.map(({ lease }) => lease),
  )
  const rows: Row[] = []
  const answers = calls.map((call): Settled => {
    const held = valid.get(call.lease.id)
    // Of two with one lease, the first.
    if (held?.lease.token !== call.lease.token || !valid.delete(call.lease.id)) return 'lost'
    rows.push({ ...call, mail: call.next.to === 'mailing' ? v7() : null, held })
    return 'settled'
  })
  if (rows.length === 0) return answers
  await takeOut(tx, store, rows)
  await insertMails(tx, store, rows)
  const tries = await update(tx, store, rows)
  await insertAttempts(tx, store, rows, tries)
  await park(tx, store, rows, tries)
  if (rows.some(isDue)) await notify(tx, store)
  return answers
}

/** After the commit: what is not ours any more need not be kept alive, and a wait is kept to its end. */
export const afterSettling = ({ leases }: Store, { lease, next }: Settling, answer: Settled): void => {
  const held = leases.get(lease)
  if (!held) return
  if (answer === 'settled' && next.to === 'retry' && next.hold)
    held.endsAt = Math.max(held.endsAt, next.dueAt)
  else leases.drop(lease)
}
