// The SQL of digests: how many mails somebody has got lately, and joining those that wait into one.
import { v7 } from 'uuid'
import { type DigestRule, digestMessageId, hourMs } from '../../digest.ts'
import { membersOf, type Standing, type Step, stepOf } from '../../engine/digesting.ts'
import type { Tx } from './pool.ts'
import { firstPriority, mailEntryOf, overtaken, type Store } from './store.ts'

/** The mail that is to go out next, and those that need no look any more, itself among them where it is not new. */
export type Gathered = { mail: string; members: string[] }

export type Digests = {
  /** Finds out how they stand; comes before `next`. */
  look(recipients: readonly string[]): Promise<void>
  /** What becomes of the next mail to these recipients. */
  next(recipients: string): Step
  /** This one goes out, its first time; its row need not say so yet. */
  begun(id: string, recipients: string): void
  /** Joins the oldest that wait, and has the queue hand out what they became next; null when there are none. */
  gather(recipients: string): Promise<Gathered | null>
}

type Waiting = { id: string; messageId: string; bytes: number }

/** As the indexes have it: a row of theirs cannot hold many addresses. */
const areTo = (recipients: string): string =>
  `md5(m.recipients) = md5(${recipients}) AND m.recipients = ${recipients}`
const waits = "state = 'pending' AND begun_at IS NULL"

/** For the time of one claim; no other may be under way. */
export const digestsOf = (tx: Tx, store: Store, rule: DigestRule, now: number): Digests => {
  const { schema, queue, aheadMs } = store
  const { mailsPerHour, mostMessages } = rule
  const standings = new Map<string, Standing>()
  /** Those of whom the rows do not say it yet. */
  let unsaid: string[] = []

  const look = async (recipients: readonly string[]): Promise<void> => {
    const unknown = [...new Set(recipients)].filter((one) => !standings.has(one))
    if (unknown.length === 0) return
    // A clock that was set back must not make anybody wait for the time that it has been. Of those that wait, some
    // may go out before a digest is full.
    const { rows } = await tx.query(
      `SELECT r.recipients,
         (SELECT count(*)::int FROM (
           SELECT FROM ${schema}.mails m
           WHERE m.begun_at IS NOT NULL AND ${areTo('r.recipients')} AND m.ended_at IS NULL
           UNION ALL
           SELECT FROM ${schema}.mails m
           WHERE m.begun_at IS NOT NULL AND ${areTo('r.recipients')} AND m.ended_at > $2 AND m.ended_at <= $3
           LIMIT $4) sent) AS sent,
         (SELECT max(m.begun_at) FROM ${schema}.mails m
           WHERE m.begun_at IS NOT NULL AND ${areTo('r.recipients')} AND m.begun_at <= $3) AS "lastAt",
         (SELECT count(*)::int FROM (
           SELECT FROM ${schema}.mails m WHERE ${waits} AND ${areTo('r.recipients')} LIMIT $5) waiting) AS waiting
       FROM unnest($1::text[]) AS r (recipients)`,
      [unknown, now - hourMs, now, mailsPerHour, mostMessages + mailsPerHour],
    )
    for (const { recipients: whose, sent, lastAt, waiting } of rows)
      standings.set(whose, { sent, lastAt: lastAt ?? Number.NEGATIVE_INFINITY, waiting })
  }

  const begin = async (ids: readonly string[]): Promise<void> => {
    if (ids.length > 0)
      await tx.query(`UPDATE ${schema}.mails SET begun_at = $2 WHERE id = ANY($1::uuid[])`, [ids, now])
  }

  const oldest = async (recipients: string): Promise<Waiting[]> => {
    const { rows } = await tx.query(
      `SELECT m.id, m.message_id AS "messageId", sum(octet_length(e.event))::float8 AS bytes
       FROM (SELECT m.id, m.seq, m.message_id FROM ${schema}.mails m
             WHERE ${waits} AND ${areTo('$1')} ORDER BY m.seq LIMIT $2) m
         JOIN ${schema}.deliveries d ON d.mail = m.id JOIN ${schema}.events e ON e.seq = d.event
       GROUP BY m.id, m.seq, m.message_id ORDER BY m.seq`,
      [recipients, mostMessages],
    )
    return rows
  }

  /** It has begun, so that it is not gathered again, whichever claim it is handed out to. */
  const join = async (recipients: string, members: readonly Waiting[]): Promise<string> => {
    const id = v7()
    const ids = members.map((one) => one.id)
    await tx.query(
      `INSERT INTO ${schema}.mails (id, recipients, message_id, created_at, begun_at, due_at)
       VALUES ($1, $2, $3, $4, $4, $4)`,
      [id, recipients, digestMessageId(members.map(({ messageId }) => messageId)), now],
    )
    await tx.query(`UPDATE ${schema}.deliveries SET mail = $1 WHERE mail = ANY($2::uuid[])`, [id, ids])
    const { rows } = await tx.query(
      `DELETE FROM ${schema}.mails WHERE id = ANY($1::uuid[]) AND ${waits} RETURNING id`,
      [ids],
    )
    if (rows.length < ids.length) throw overtaken()
    return id
  }

  return {
    look,
    next: (recipients) => stepOf(standings.get(recipients)!, rule, now),
    begun(id, recipients) {
      unsaid.push(id)
      const standing = standings.get(recipients)!
      standing.sent += 1
      standing.lastAt = now
      standing.waiting -= 1
    },
    async gather(recipients) {
      await begin(unsaid)
      unsaid = []
      const waiting = membersOf(await oldest(recipients), rule)
      if (waiting.length === 0) return null
      const members = waiting.map(({ id }) => id)
      await queue.drop(tx, 'mails', members)
      if (waiting.length === 1) await begin(members)
      const mail = waiting.length === 1 ? members[0]! : await join(recipients, waiting)
      const entry = mailEntryOf({ id: mail, interruptions: 0, dueAt: now }, now, aheadMs)
      await queue.put(tx, 'mails', [{ ...entry, priority: firstPriority }])
      standings.delete(recipients)
      await look([recipients])
      return { mail, members }
    },
  }
}
