// The SQL of mails: claim with the stories that a letter tells, settle, and take apart. Which ones are gathered
// is said in digests.ts.
import type { DatabaseSync } from 'node:sqlite'
import type { MailNext, MailOutcome } from '../../delivery.ts'
import { type DigestRule, halfMessageId } from '../../digest.ts'
import type { Step } from '../../engine/digesting.ts'
import type { AttemptRow, DeliveryRow, MailClaimRow, MailRow } from '../../engine/rows.ts'
import type { Lease } from '../../engine.ts'
import { suspectFrom } from '../../interruptions.ts'
import { attemptColumns, deliveryColumns, mailColumns } from './columns.ts'
import type { Turn } from './deliveries.ts'
import { digestCalls } from './digests.ts'
import type { Owner } from './owner.ts'

// How many due mails one claim looks at, so that what waits to be accepted waits a few milliseconds.
const mostLooked = 1000

type Wish = { limit: number; leaseMs: number; digests?: DigestRule | null }
const sending: Step = { to: 'send' }

type DueRow = { seq: number; recipients: string; isBegun: 0 | 1 }

export const mailCalls = (db: DatabaseSync, owner: Owner) => {
  const due = db.prepare(`
    SELECT seq, recipients, begun_at IS NOT NULL AS isBegun FROM mails
    WHERE state = 'pending' AND ready_at <= ? AND interruptions < ${suspectFrom} ORDER BY ready_at, seq LIMIT ?`)
  const suspects = `mails WHERE state = 'pending' AND interruptions >= ${suspectFrom}`
  const suspect = db.prepare(`
    SELECT seq, recipients FROM ${suspects} AND ready_at <= ?1
      AND NOT EXISTS (SELECT 1 FROM ${suspects} AND lease IS NOT NULL AND ready_at > ?1)
    ORDER BY interruptions, ready_at, seq LIMIT 1`)
  const lend = db.prepare(`
    UPDATE mails SET interruptions = interruptions + sending, sending = 1, begun_at = coalesce(begun_at, ?1),
      lease = ?2, ready_at = ?3 WHERE seq = ?4`)
  const park = db.prepare('UPDATE mails SET due_at = ?1, ready_at = ?1 WHERE seq = ?2')
  const one = db.prepare(`SELECT ${mailColumns} FROM mails WHERE seq = ?`)
  const digestsBy = digestCalls(db)
  const members = db.prepare(`
    SELECT ${deliveryColumns}, e.event FROM deliveries d JOIN events e ON e.seq = d.event
    WHERE d.mail = ? ORDER BY d.seq`)
  const attempts = db.prepare(`
    SELECT ${attemptColumns} FROM attempts WHERE delivery = ? AND round = ? ORDER BY n`)

  const retry = db.prepare(`
    UPDATE mails SET tries = tries + 1, outcome = ?1, lease = NULL, sending = 0, due_at = ?2, ready_at = ?2
    WHERE seq = ?3 AND lease = ?4`)
  const end = db.prepare(`
    UPDATE mails SET state = ?, tries = tries + 1, outcome = ?, lease = NULL, sending = 0, due_at = NULL,
      ready_at = NULL, ended_at = ?
    WHERE seq = ? AND lease = ?`)
  const emailed = db.prepare(`UPDATE deliveries SET state = 'emailed', ended_at = ? WHERE mail = ?`)
  const failed = db.prepare(`
    UPDATE deliveries SET state = 'failed', reason = 'mail-failed', ended_at = ? WHERE mail = ?`)

  const leased = db.prepare('SELECT message_id AS messageId FROM mails WHERE seq = ? AND lease = ?')
  const membersOf = db.prepare('SELECT seq FROM deliveries WHERE mail = ? ORDER BY seq')
  // It has begun, so that it is not gathered again.
  const insertHalf = db.prepare(`
    INSERT INTO mails (recipients, message_id, created_at, begun_at, due_at, ready_at)
    SELECT recipients, ?1, created_at, begun_at, ?2, ?2 FROM mails WHERE seq = ?3`)
  const move = db.prepare('UPDATE deliveries SET mail = ? WHERE seq = ?')
  const remove = db.prepare('DELETE FROM mails WHERE seq = ?')

  const takeApart = ({ id, token }: Lease, turn: Turn): 'settled' | 'lost' => {
    const row = leased.get(id, token) as { messageId: string } | undefined
    if (!row) return 'lost'
    const seqs = (membersOf.all(id) as { seq: number }[]).map(({ seq }) => seq)
    const middle = Math.ceil(seqs.length / 2)
    const halves = { first: seqs.slice(0, middle), second: seqs.slice(middle) }
    for (const half of ['first', 'second'] as const) {
      if (halves[half].length === 0) continue
      const mail = insertHalf.run(halfMessageId(row.messageId, half), turn.now, id).lastInsertRowid
      for (const seq of halves[half]) move.run(mail, seq)
    }
    remove.run(id)
    turn.isDue = true
    return 'settled'
  }

  const storiesOf = (seq: number) =>
    (members.all(seq) as DeliveryRow[]).map((delivery) => ({
      delivery,
      attempts: attempts.all(delivery.id, delivery.round) as AttemptRow[],
    }))

  return {
    claimMails({ limit, leaseMs, digests: rule = null }: Wish, turn: Turn): MailClaimRow[] {
      if (!owner.confirm(turn.now)) return []
      const digests = rule && digestsBy(rule, turn.now)
      const claims: MailClaimRow[] = []
      const claim = (seq: number, recipients: string) => {
        const token = owner.token()
        lend.run(turn.now, token, turn.now + leaseMs, seq)
        digests?.begun(recipients)
        claims.push({ token, mail: one.get(seq) as MailRow, stories: storiesOf(seq) })
      }

      const suspected = limit > 0 && (suspect.get(turn.now) as DueRow | undefined)
      if (suspected) claim(suspected.seq, suspected.recipients)
      for (let looked = 0; claims.length < limit; ) {
        // What was looked at is not due any more, so that the next look finds others.
        const rows = due.all(turn.now, limit - claims.length) as DueRow[]
        if (rows.length === 0) break
        for (const { seq, recipients, isBegun } of rows) {
          const step = digests && !isBegun ? digests.next(recipients) : sending
          if (step.to === 'send') claim(seq, recipients)
          else if (step.to === 'park') park.run(step.until, seq)
          else {
            claim(digests!.gather(recipients) ?? seq, recipients)
            // Others of these rows may be part of it.
            break
          }
        }
        looked += rows.length
        if (looked >= mostLooked) {
          turn.isDue = true
          break
        }
      }
      return claims
    },

    settleMail(
      { lease, outcome, next }: { lease: Lease; outcome: MailOutcome; next: MailNext },
      turn: Turn,
    ): 'settled' | 'lost' {
      if (next.to === 'apart') return takeApart(lease, turn)
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
