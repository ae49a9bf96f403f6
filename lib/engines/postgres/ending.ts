// The SQL of what is done with deliveries and mails beside claiming and settling them: leases are renewed and given
// back, and what has ended is begun anew, or ended by hand.
import type { Lease } from '../../engine.ts'
import { attemptOf } from './leases.ts'
import type { Tx } from './pool.ts'
import type { Entry, QueueName } from './queue.ts'
import { entryOf, isId, mailEntryOf, notify, ours, overtaken, type Store } from './store.ts'

/** Those that this process was handed and that are still in work here. */
const alive = async (tx: Tx, store: Store, table: QueueName, leases: readonly Lease[]) => {
  const held = await ours(tx, store, table, leases)
  const touched = await store.queue.touch(tx, table, [...held.values()].map(attemptOf))
  // Given back meanwhile, another process may have it at any time.
  for (const id of held.keys()) if (!touched.has(id)) held.delete(id)
  return held
}

/** One answer for each lease, in order. */
export const renew = (
  store: Store,
  leases: readonly Lease[],
  leaseMs: number,
  now: number,
): Promise<('renewed' | 'lost')[]> =>
  store.pool.transact(async (tx) => {
    const deliveries = await alive(tx, store, 'deliveries', leases)
    const mails = await alive(tx, store, 'mails', leases)
    const { rows } = await tx.query(
      `UPDATE ${store.schema}.deliveries SET trying = trying OR due_at <= $2
       WHERE id = ANY($1::uuid[]) RETURNING id, due_at AS "dueAt"`,
      [[...deliveries.keys()], now],
    )
    const dueAtOf = new Map<string, number>(rows.map(({ id, dueAt }) => [id, dueAt]))
    return leases.map(({ id, token }) => {
      const held = deliveries.get(id) ?? mails.get(id)
      if (held?.lease.token !== token) return 'lost'
      held.endsAt = Math.max(now + leaseMs, dueAtOf.get(id) ?? 0)
      return 'renewed'
    })
  })

type Freed = { id: string; tries: number; interruptions: number; dueAt: number; group: string | null }

const freeing = {
  deliveries: `lease = NULL, trying = false WHERE id = ANY($1::uuid[]) AND lease = ANY($2::text[])
    RETURNING id, tries, interruptions, due_at AS "dueAt", kind || ':' || endpoint_id AS "group"`,
  mails: `lease = NULL, sending = false WHERE id = ANY($1::uuid[]) AND lease = ANY($2::text[])
    RETURNING id, tries, interruptions, due_at AS "dueAt", NULL AS "group"`,
}

/** Due as they were, and nobody's. */
const free = async (tx: Tx, store: Store, table: QueueName, leases: readonly Lease[], now: number) => {
  const held = await ours(tx, store, table, leases)
  if (held.size === 0) return
  const ids = [...held.keys()]
  await store.queue.drop(tx, table, ids)
  const tokens = leases.map(({ token }) => token)
  const { rows } = await tx.query(`UPDATE ${store.schema}.${table} SET ${freeing[table]}`, [ids, tokens])
  if (rows.length < ids.length) throw overtaken()
  const entries = rows.map((row: Freed): Entry => {
    if (table === 'mails') return mailEntryOf(row, now, store.aheadMs)
    return entryOf({ ...row, chars: held.get(row.id)!.chars }, now, store.aheadMs)
  })
  await store.queue.put(tx, table, entries)
}

export const release = async (store: Store, leases: readonly Lease[], now: number): Promise<void> => {
  await store.pool.transact(async (tx) => {
    await free(tx, store, 'deliveries', leases, now)
    await free(tx, store, 'mails', leases, now)
    await notify(tx, store)
  })
  for (const lease of leases) store.leases.drop(lease)
}

/** How many it did. */
export const replay = (store: Store, ids: readonly string[], now: number): Promise<number> =>
  store.pool.transact(async (tx) => {
    const { schema, queue } = store
    const before = await tx.query(
      `SELECT id, mail FROM ${schema}.deliveries
       WHERE id = ANY($1::uuid[]) AND state NOT IN ('pending', 'mailing') ORDER BY id FOR UPDATE`,
      [ids.filter(isId)],
    )
    if (before.rows.length === 0) return 0
    const { rows } = await tx.query(
      `UPDATE ${schema}.deliveries d SET state = 'pending', round = round + 1, tries = 0, interruptions = 0, due_at = $2,
         ended_at = NULL, reason = NULL, mail = NULL, lease = NULL, trying = false
       FROM ${schema}.events e WHERE d.id = ANY($1::uuid[]) AND e.seq = d.event AND e.has_text
       RETURNING d.id, d.kind || ':' || d.endpoint_id AS "group", length(e.event) AS chars`,
      [before.rows.map(({ id }) => id), now],
    )
    // What no delivery refers to any more would outlive the event that it was about.
    await tx.query(
      `DELETE FROM ${schema}.mails m WHERE m.id = ANY($1::uuid[])
         AND NOT EXISTS (SELECT 1 FROM ${schema}.deliveries WHERE mail = m.id)`,
      [before.rows.flatMap(({ mail }) => mail ?? [])],
    )
    const entries = rows.map((row) => entryOf({ ...row, tries: 0, dueAt: now }, now, store.aheadMs))
    await queue.put(tx, 'deliveries', entries)
    if (rows.length > 0) await notify(tx, store)
    return rows.length
  })

/** How many it did. */
export const cancel = (store: Store, ids: readonly string[], now: number): Promise<number> =>
  store.pool.transact(async (tx) => {
    const { rows: pending } = await tx.query(
      `SELECT id FROM ${store.schema}.deliveries WHERE id = ANY($1::uuid[]) AND state = 'pending'`,
      [ids.filter(isId)],
    )
    const wanted = pending.map(({ id }) => id)
    await store.queue.drop(tx, 'deliveries', wanted)
    const { rows } = await tx.query(
      `UPDATE ${store.schema}.deliveries SET state = 'cancelled', trying = false, due_at = NULL, lease = NULL, ended_at = $2
       WHERE id = ANY($1::uuid[]) AND state = 'pending' RETURNING id`,
      [wanted, now],
    )
    if (rows.length < wanted.length) throw overtaken()
    return rows.length
  })
