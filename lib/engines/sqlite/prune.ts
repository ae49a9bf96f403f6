// The SQL that prunes what is old, a slice at a time: each walk goes through an index in the order of age and
// stops when its slice is full, to go on from there.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { withoutMedia, withoutText } from '../../engine/pruned.ts'
import { type Pruned, type Pruning, repeatMs } from '../../engine.ts'
import type { SmsEvent } from '../../event.ts'
import type { Turn } from './deliveries.ts'
import { type Removed, removalFrom } from './removal.ts'
import type { Repeats } from './repeats.ts'

// Files that came along make a few events as large as thousands; a slice holds no more of them than this, or one.
const mostBytes = 2 ** 20

/** The last row that a walk looked at. */
type Position = { walk: number; at: number; seq: number }
type Row = Removed & { bytes: number; isOwed: 0 | 1 }
type Walk = { before: number | undefined; rows: StatementSync; prune(row: Row): void }

const beginning = { at: Number.MIN_SAFE_INTEGER, seq: 0 }

const positionOf = (cursor: string | undefined): Position => {
  const [walk = 0, at = beginning.at, seq = 0] = cursor?.split(' ').map(Number) ?? []
  return { walk, at, seq }
}

export const pruneCalls = (db: DatabaseSync, repeats: Repeats) => {
  const columns = `seq, gateway, identity, stored_at AS storedAt, octet_length(event) AS bytes, EXISTS (
    SELECT 1 FROM deliveries WHERE event = events.seq AND state IN ('pending', 'mailing')) AS isOwed`
  const older = '(stored_at, seq) > (?, ?) AND stored_at < ? ORDER BY stored_at, seq LIMIT ?'
  const aged = (hasText: 0 | 1) =>
    db.prepare(`SELECT ${columns} FROM events INDEXED BY events_age WHERE has_text = ${hasText} AND ${older}`)
  const withMedia = db.prepare(`
    SELECT ${columns} FROM events INDEXED BY events_media WHERE has_media = 1 AND ${older}`)
  const [whole, textless] = [aged(1), aged(0)]

  const eventOf = db.prepare('SELECT event FROM events WHERE seq = ?')
  const cutText = db.prepare('UPDATE events SET event = ?, has_text = 0 WHERE seq = ?')
  const cutMedia = db.prepare('UPDATE events SET event = ?, has_media = 0 WHERE seq = ?')
  const cutAttempts = db.prepare(`
    UPDATE attempts SET outcome = json_replace(outcome, '$.excerpt', '', '$.message', '')
    WHERE delivery IN (SELECT seq FROM deliveries WHERE event = ?)`)
  const cutMails = db.prepare(`
    UPDATE mails SET outcome = json_replace(outcome, '$.response', '', '$.message', '')
    WHERE seq IN (SELECT mail FROM deliveries WHERE event = ? AND mail IS NOT NULL)`)

  const quarantined = db.prepare(`
    SELECT seq, octet_length(body) AS bytes FROM quarantine WHERE received_at < ? LIMIT ?`)
  const removeQuarantined = db.prepare('DELETE FROM quarantine WHERE seq = ?')
  const oldRepeats = db.prepare(`
    DELETE FROM repeats WHERE hash IN (SELECT hash FROM repeats WHERE stored_at < ? LIMIT ?)`)
  const remove = removalFrom(db, repeats)

  const changed = (statement: StatementSync, change: (event: SmsEvent) => SmsEvent, seq: number) => {
    const { event } = eventOf.get(seq) as { event: string }
    statement.run(JSON.stringify(change(JSON.parse(event))), seq)
  }

  /** What cannot be read is passed over until all of it is old enough to go. */
  const isPruned = (walk: Walk, row: Row): boolean => {
    if (row.isOwed) return false
    try {
      walk.prune(row)
      return true
    } catch (error) {
      if (error instanceof SyntaxError) return false
      throw error
    }
  }

  const walksOf = ({ textBefore, mediaBefore, eventsBefore }: Pruning, { now }: Turn): Walk[] => {
    const removing = (rows: StatementSync): Walk => ({
      before: eventsBefore,
      rows,
      prune: (row) => remove(row, row.storedAt > now - repeatMs),
    })
    return [
      removing(whole),
      removing(textless),
      {
        before: textBefore,
        rows: whole,
        prune: ({ seq }) => {
          changed(cutText, withoutText, seq)
          cutAttempts.run(seq)
          cutMails.run(seq)
        },
      },
      {
        before: mediaBefore,
        rows: withMedia,
        prune: ({ seq }) => changed(cutMedia, withoutMedia, seq),
      },
    ]
  }

  /** What hangs on no event. */
  const pruneRest = ({ textBefore, eventsBefore, limit }: Pruning, { now }: Turn) => {
    const unread = new Date(Math.max(textBefore ?? 0, eventsBefore ?? 0, 0)).toISOString()
    let [pruned, bytes] = [0, 0]
    for (const row of quarantined.all(unread, limit) as Pick<Row, 'seq' | 'bytes'>[]) {
      removeQuarantined.run(row.seq)
      pruned += 1
      bytes += row.bytes
      if (bytes > mostBytes) return { pruned, isMore: true }
    }
    if (eventsBefore === undefined) return { pruned, isMore: pruned === limit }
    const forgotten = Math.min(eventsBefore, now - repeatMs)
    if (pruned < limit) pruned += Number(oldRepeats.run(forgotten, limit - pruned).changes)
    return { pruned, isMore: pruned === limit }
  }

  return {
    prune(wish: Pruning, turn: Turn): Pruned {
      const walks = walksOf(wish, turn)
      let { walk, at, seq } = positionOf(wish.cursor)
      let [pruned, looked, bytes] = [0, 0, 0]
      for (; walk < walks.length; walk += 1, { at, seq } = beginning) {
        const { before, rows } = walks[walk]!
        if (before === undefined) continue
        const left = wish.limit - looked
        for (const row of rows.all(at, seq, before, left) as Row[]) {
          looked += 1
          bytes += row.bytes
          if (isPruned(walks[walk]!, row)) pruned += 1
          if (looked === wish.limit || bytes > mostBytes)
            return { pruned, cursor: [walk, row.storedAt, row.seq].join(' ') }
        }
      }
      const rest = [walk, 0, 0].join(' ')
      if (looked > 0) return { pruned, cursor: rest }
      const { pruned: others, isMore } = pruneRest(wish, turn)
      return { pruned: others, cursor: isMore ? rest : null }
    },
  }
}
