// A clock that was set back: what waits comes along, or it would wait for hours more than was planned. A clock that
// was set forward needs nothing: what became due by it is due.
import type { DatabaseSync } from 'node:sqlite'

/** A leap second, and what a time server mends, is not worth a write. */
export const leastSetBackMs = 2_000

/** Within a transaction. Leases come along with what they are for. */
export const setBackOn = (db: DatabaseSync): ((byMs: number) => void) => {
  const deliveries = db.prepare(
    "UPDATE deliveries SET due_at = due_at - ?1, ready_at = ready_at - ?1 WHERE state = 'pending'",
  )
  const mails = db.prepare(
    "UPDATE mails SET due_at = due_at - ?1, ready_at = ready_at - ?1 WHERE state = 'pending'",
  )
  return (byMs) => {
    deliveries.run(byMs)
    mails.run(byMs)
  }
}
