// The SQL that takes an event out of the database with all that hangs on it.
import type { DatabaseSync } from 'node:sqlite'
import type { Repeats } from './repeats.ts'

export type Removed = { seq: number; gateway: string; identity: string; storedAt: number }

/** `isRemembered`: a keyed hash stays, by which a repeat is known. */
export const removalFrom = (
  db: DatabaseSync,
  repeats: Repeats,
): ((event: Removed, isRemembered: boolean) => void) => {
  const mailsOf = db.prepare('SELECT DISTINCT mail FROM deliveries WHERE event = ? AND mail IS NOT NULL')
  const attempts = db.prepare(`
    DELETE FROM attempts WHERE delivery IN (SELECT seq FROM deliveries WHERE event = ?)`)
  const deliveries = db.prepare('DELETE FROM deliveries WHERE event = ?')
  // It may carry the messages of other events too.
  const mail = db.prepare(`
    DELETE FROM mails WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE mail = ?1)`)
  const event = db.prepare('DELETE FROM events WHERE seq = ?')

  return ({ seq, gateway, identity, storedAt }, isRemembered) => {
    const mails = mailsOf.all(seq) as { mail: number }[]
    attempts.run(seq)
    deliveries.run(seq)
    for (const row of mails) mail.run(row.mail)
    event.run(seq)
    if (isRemembered) repeats.remember(gateway, identity, storedAt)
  }
}
