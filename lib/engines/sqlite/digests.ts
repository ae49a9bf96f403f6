// The SQL of digests: how many mails somebody has got lately, and joining those that wait into one.
import type { DatabaseSync } from 'node:sqlite'
import { type DigestRule, digestMessageId, hourMs } from '../../digest.ts'
import { membersOf, type Standing, type Step, stepOf } from '../../engine/digesting.ts'

export type Digests = {
  /** What becomes of the next mail to these recipients. */
  next(recipients: string): Step
  /** A mail to them was claimed, and its row says so. */
  begun(recipients: string): void
  /** Joins the oldest that wait; answers the row to be claimed in their place, null when there are none. */
  gather(recipients: string): number | null
}

type Waiting = { seq: number; messageId: string; bytes: number }

const waits = "state = 'pending' AND begun_at IS NULL"

export const digestCalls = (db: DatabaseSync) => {
  // A clock that was set back must not make anybody wait for the time that it has been.
  const sent = db.prepare(`
    SELECT count(*) AS n FROM (
      SELECT 1 FROM mails WHERE begun_at IS NOT NULL AND recipients = ?1 AND ended_at IS NULL
      UNION ALL
      SELECT 1 FROM mails WHERE begun_at IS NOT NULL AND recipients = ?1
        AND ended_at > ?2 AND ended_at <= ?3
      LIMIT ?4)`)
  const last = db.prepare(`
    SELECT max(begun_at) AS at FROM mails WHERE begun_at IS NOT NULL AND recipients = ? AND begun_at <= ?`)
  const waiting = db.prepare(`
    SELECT count(*) AS n FROM (SELECT 1 FROM mails WHERE ${waits} AND recipients = ? LIMIT ?)`)
  const oldest = db.prepare(`
    SELECT m.seq, m.message_id AS messageId, sum(octet_length(e.event)) AS bytes
    FROM mails m JOIN deliveries d ON d.mail = m.seq JOIN events e ON e.seq = d.event
    WHERE m.state = 'pending' AND m.begun_at IS NULL AND m.recipients = ?
    GROUP BY m.seq ORDER BY m.seq LIMIT ?`)
  const insert = db.prepare(`
    INSERT INTO mails (recipients, message_id, created_at, due_at, ready_at) VALUES (?1, ?2, ?3, ?3, ?3)`)
  const join = db.prepare('UPDATE deliveries SET mail = ? WHERE mail = ?')
  const remove = db.prepare('DELETE FROM mails WHERE seq = ?')

  const numberOf = (row: unknown): number => (row as { n: number }).n

  /** For the time of one claim. */
  return (rule: DigestRule, now: number): Digests => {
    const { mailsPerHour, mostMessages } = rule
    const standings = new Map<string, Standing>()

    const standingOf = (recipients: string): Standing => {
      const known = standings.get(recipients)
      if (known) return known
      const standing = {
        sent: numberOf(sent.get(recipients, now - hourMs, now, mailsPerHour)),
        lastAt: (last.get(recipients, now) as { at: number | null }).at ?? Number.NEGATIVE_INFINITY,
        waiting: numberOf(waiting.get(recipients, mostMessages)),
      }
      standings.set(recipients, standing)
      return standing
    }

    return {
      next: (recipients) => stepOf(standingOf(recipients), rule, now),
      begun(recipients) {
        standings.delete(recipients)
      },
      gather(recipients) {
        const members = membersOf(oldest.all(recipients, mostMessages) as Waiting[], rule)
        standings.delete(recipients)
        if (members.length <= 1) return members[0]?.seq ?? null
        const messageId = digestMessageId(members.map((one) => one.messageId))
        const seq = Number(insert.run(recipients, messageId, now).lastInsertRowid)
        for (const member of members) {
          join.run(seq, member.seq)
          remove.run(member.seq)
        }
        return seq
      },
    }
  }
}
