// The SQL of what becomes of a mail that was sent or not: the mail, its deliveries and its entry, at once or not at
// all, and how one is taken apart.
import { v7 } from 'uuid'
import type { MailNext, MailOutcome } from '../../delivery.ts'
import { halfMessageId } from '../../digest.ts'
import type { Lease } from '../../engine.ts'
import { attemptOf } from './leases.ts'
import type { Tx } from './pool.ts'
import { mailEntryOf, notify, ours, overtaken, type Store } from './store.ts'

export type MailSettling = { lease: Lease; outcome: MailOutcome; next: MailNext; now: number }

/** Two take its place; one where erasing left it one member. */
const takeApart = async (tx: Tx, store: Store, { id, token }: Lease, now: number): Promise<void> => {
  const { schema, queue, aheadMs } = store
  const members = await tx.query(
    `SELECT id FROM ${schema}.deliveries WHERE mail = $1 ORDER BY seq FOR UPDATE`,
    [id],
  )
  const ids: string[] = members.rows.map((row) => row.id)
  const middle = Math.ceil(ids.length / 2)
  const mail = await tx.query(
    `SELECT message_id AS "messageId" FROM ${schema}.mails WHERE id = $1 AND lease = $2 FOR UPDATE`,
    [id, token],
  )
  if (mail.rows.length === 0) throw overtaken()
  const halves = { first: ids.slice(0, middle), second: ids.slice(middle) }
  for (const half of ['first', 'second'] as const) {
    if (halves[half].length === 0) continue
    const taking = v7()
    // It has begun, so that it is not gathered again.
    await tx.query(
      `INSERT INTO ${schema}.mails (id, recipients, message_id, created_at, begun_at, due_at)
       SELECT $1, recipients, $2, created_at, begun_at, $3 FROM ${schema}.mails WHERE id = $4`,
      [taking, halfMessageId(mail.rows[0].messageId, half), now, id],
    )
    await tx.query(`UPDATE ${schema}.deliveries SET mail = $1 WHERE id = ANY($2::uuid[])`, [
      taking,
      halves[half],
    ])
    await queue.put(tx, 'mails', [mailEntryOf({ id: taking, interruptions: 0, dueAt: now }, now, aheadMs)])
  }
  await tx.query(`DELETE FROM ${schema}.mails WHERE id = $1`, [id])
  await notify(tx, store)
}

const retry = async (
  tx: Tx,
  store: Store,
  { lease, outcome, now }: MailSettling,
  dueAt: number,
): Promise<void> => {
  const { rows } = await tx.query(
    `UPDATE ${store.schema}.mails SET tries = tries + 1, outcome = $3, lease = NULL, sending = false, due_at = $4
     WHERE id = $1 AND lease = $2 RETURNING interruptions`,
    [lease.id, lease.token, JSON.stringify(outcome), dueAt],
  )
  if (rows.length === 0) throw overtaken()
  const { interruptions } = rows[0]
  const entry = mailEntryOf({ id: lease.id, interruptions, dueAt }, now, store.aheadMs)
  await store.queue.put(tx, 'mails', [entry])
  if (dueAt <= now) await notify(tx, store)
}

const ends = {
  sent: { state: 'emailed', reason: null },
  failed: { state: 'failed', reason: 'mail-failed' },
} as const

const end = async (
  tx: Tx,
  { schema }: Store,
  { lease, outcome, now }: MailSettling,
  to: keyof typeof ends,
): Promise<void> => {
  const { state, reason } = ends[to]
  await tx.query(
    `UPDATE ${schema}.deliveries SET state = $2, reason = coalesce($3, reason), ended_at = $4 WHERE mail = $1`,
    [lease.id, state, reason, now],
  )
  const { rows } = await tx.query(
    `UPDATE ${schema}.mails SET state = $3, tries = tries + 1, outcome = $4, lease = NULL, sending = false,
       due_at = NULL, ended_at = $5
     WHERE id = $1 AND lease = $2 RETURNING id`,
    [lease.id, lease.token, to, JSON.stringify(outcome), now],
  )
  if (rows.length === 0) throw overtaken()
}

export const settleMail = async (
  tx: Tx,
  store: Store,
  settling: MailSettling,
): Promise<'settled' | 'lost'> => {
  const { lease, next, now } = settling
  const held = (await ours(tx, store, 'mails', [lease])).get(lease.id)
  if (!held) return 'lost'
  // Taken for lost meanwhile, and handed to nobody since: our row says so, or says otherwise below.
  const finished = await store.queue.finish(tx, 'mails', [attemptOf(held)])
  if (!finished.has(lease.id)) await store.queue.drop(tx, 'mails', [lease.id])
  if (next.to === 'apart') await takeApart(tx, store, lease, now)
  else if (next.to === 'retry') await retry(tx, store, settling, next.dueAt)
  else await end(tx, store, settling, next.to)
  return 'settled'
}
