// The SQL of mails: claim with the stories that a letter tells, and settle.
import type { DatabaseSync } from 'node:sqlite'
import type { MailNext, MailOutcome } from '../delivery.ts'
import type { Lease } from '../engine.ts'
import type { Turn } from './sqlite-deliveries.ts'
import type { Owner } from './sqlite-owner.ts'
import {
  type AttemptRow,
  attemptColumns,
  type DeliveryRow,
  deliveryColumns,
  type MailClaimRow,
  type MailRow,
  mailColumns,
} from './sqlite-rows.ts'

export const mailCalls = (db: DatabaseSync, owner: Owner) => {
  const due = db.prepare(`
    SELECT ${mailColumns} FROM mails WHERE state = 'pending' AND ready_at <= ? ORDER BY ready_at, seq LIMIT ?`)
  const lend = db.prepare('UPDATE mails SET lease = ?, ready_at = ? WHERE seq = ?')
  const members = db.prepare(`
    SELECT ${deliveryColumns}, e.event FROM deliveries d JOIN events e ON e.seq = d.event
    WHERE d.mail = ? ORDER BY d.seq`)
  const attempts = db.prepare(`
    SELECT ${attemptColumns} FROM attempts WHERE delivery = ? AND round = ? ORDER BY n`)

  const retry = db.prepare(`
    UPDATE mails SET tries = tries + 1, outcome = ?1, lease = NULL, due_at = ?2, ready_at = ?2
    WHERE seq = ?3 AND lease = ?4`)
  const end = db.prepare(`
    UPDATE mails SET state = ?, tries = tries + 1, outcome = ?, lease = NULL, due_at = NULL, ready_at = NULL,
      ended_at = ?
    WHERE seq = ? AND lease = ?`)
  const emailed = db.prepare(`UPDATE deliveries SET state = 'emailed', ended_at = ? WHERE mail = ?`)
  const failed = db.prepare(`
    UPDATE deliveries SET state = 'failed', reason = 'mail-failed', ended_at = ? WHERE mail = ?`)

  return {
    claimMails({ limit, leaseMs }: { limit: number; leaseMs: number }, turn: Turn): MailClaimRow[] {
      if (!owner.confirm(turn.now)) return []
      return (due.all(turn.now, limit) as MailRow[]).map((mail) => {
        const token = owner.token()
        lend.run(token, turn.now + leaseMs, mail.seq)
        const stories = (members.all(mail.seq) as DeliveryRow[]).map((delivery) => ({
          delivery,
          attempts: attempts.all(delivery.seq, delivery.round) as AttemptRow[],
        }))
        return { token, mail, stories }
      })
    },

    settleMail(
      { lease, outcome, next }: { lease: Lease; outcome: MailOutcome; next: MailNext },
      turn: Turn,
    ): 'settled' | 'lost' {
      const said = JSON.stringify(outcome)
      if (next.to === 'retry') {
        if (retry.run(said, next.dueAt, lease.id, lease.token).changes === 0) return 'lost'
        if (next.dueAt <= turn.now) turn.isDue = true
        return 'settled'
      }
      if (end.run(next.to, said, turn.now, lease.id, lease.token).changes === 0) return 'lost'
      const members = next.to === 'sent' ? emailed : failed
      members.run(turn.now, lease.id)
      return 'settled'
    },
  }
}
