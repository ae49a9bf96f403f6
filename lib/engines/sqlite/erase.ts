// The SQL that erases an address, a slice of the store at a time: no index knows the addresses of events, which
// would cost every event that is accepted.
import type { DatabaseSync } from 'node:sqlite'
import { concerns, type Keys, legible, mayHoldOne } from '../../engine/concerns.ts'
import { type Removed, removalFrom } from './removal.ts'
import type { Repeats } from './repeats.ts'

/** Where a slice begins: first all events are looked through, then all that is in quarantine. */
type Place = { table: 'events' | 'quarantine'; after: number }
export type Erasing = { keys: Keys; place: Place }
export type Erased = { erased: number; next: Place | null }

export const erasingFrom: Place = { table: 'events', after: 0 }

// What a slice may look at, so that what waits to be accepted waits about 10 ms.
const mostRows = 500
const mostSize = 2 ** 20

type EventRow = Removed & { event: string }
type QuarantineRow = { seq: number; reason: string; body: Uint8Array }

export const eraseCalls = (db: DatabaseSync, repeats: Repeats) => {
  const events = db.prepare(`
    SELECT seq, gateway, identity, stored_at AS storedAt, event FROM events WHERE seq > ? ORDER BY seq LIMIT ?`)
  const quarantined = db.prepare(
    'SELECT seq, reason, body FROM quarantine WHERE seq > ? ORDER BY seq LIMIT ?',
  )
  const removeQuarantined = db.prepare('DELETE FROM quarantine WHERE seq = ?')
  const remove = removalFrom(db, repeats)

  /** Those of a slice that are meant, and where the next one begins; null when there is none. */
  const search = <Row extends { seq: number }>(
    rows: Iterable<Row>,
    sizeOf: (row: Row) => number,
    isMeant: (row: Row) => boolean,
  ): { meant: Row[]; last: number | null } => {
    const meant: Row[] = []
    let last: number | null = null
    let size = 0
    for (const row of rows) {
      last = row.seq
      size += sizeOf(row)
      if (isMeant(row)) meant.push(row)
      if (size > mostSize) break
    }
    return { meant, last }
  }

  return {
    erase({ keys, place: { table, after } }: Erasing): Erased {
      if (table === 'events') {
        const rows = events.iterate(after, mostRows) as Iterable<EventRow>
        const { meant, last } = search(
          rows,
          ({ event }) => event.length,
          ({ event }) => concerns(event, keys),
        )
        for (const event of meant) remove(event, true)
        const next: Place = last === null ? { table: 'quarantine', after: 0 } : { table, after: last }
        return { erased: meant.length, next }
      }
      const { meant, last } = search(
        quarantined.iterate(after, mostRows) as Iterable<QuarantineRow>,
        ({ body }) => body.length,
        ({ reason, body }) => mayHoldOne(`${reason} ${legible(body)}`, keys),
      )
      for (const { seq } of meant) removeQuarantined.run(seq)
      return { erased: 0, next: last === null ? null : { table, after: last } }
    },
  }
}
