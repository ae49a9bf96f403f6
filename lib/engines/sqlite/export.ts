// Reads a whole file out, for a copy into another engine's store, a slice at a time on the thread that asks. Nobody
// else delivers from the file meanwhile; nothing is written to it but what every owner writes.
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../clock.ts'
import type {
  CopiedDelivery,
  CopiedEvent,
  CopiedMail,
  CopiedMember,
  CopiedRepeat,
  CopiedRequest,
  CopiedSlice,
  CopySource,
  SliceSize,
} from '../../engine/copied.ts'
import { EngineError } from '../../errors.ts'
import { attemptColumns } from './columns.ts'
import { damaged } from './damage.ts'
import { engineErrorOf, failureOf, isDamage } from './errors.ts'
import { createFile, ownerPath, realPath, wasSetUp } from './files.ts'
import { createOwner, type Owner } from './owner.ts'
import { openDatabase } from './schema.ts'

/** How often the others are told that this process lives, however long the target takes. */
const touchMs = 500

type Sized = { seq: number; bytes: number }

const eventColumns = `e.seq, e.id, e.gateway, e.identity, e.stored_at AS storedAt, e.has_text AS hasText,
  e.has_media AS hasMedia, octet_length(e.event) AS bytes`
const memberColumns = `d.seq, d.created_at AS createdAt, e.id AS eventId, d.endpoint_id AS endpointId, d.state,
  d.round`

const readerOf = (db: DatabaseSync, { rows, bytes: mostBytes }: SliceSize) => {
  const repeats = db.prepare(
    'SELECT hash, stored_at AS storedAt FROM repeats WHERE hash > ? ORDER BY hash LIMIT ?',
  )
  // CROSS JOIN keeps SQLite from starting with the events.
  const deliveries = db.prepare(`
    SELECT ${memberColumns}, d.event, d.endpoint, d.tries, d.interruptions, d.due_at AS dueAt, d.ended_at AS endedAt,
      d.reason FROM deliveries d CROSS JOIN events e ON e.seq = d.event WHERE d.seq > ? ORDER BY d.seq LIMIT ?`)
  const attempts = db.prepare(`
    SELECT round, ${attemptColumns} FROM attempts WHERE delivery = ? ORDER BY round, n`)
  const event = db.prepare(`
    SELECT ${eventColumns}, EXISTS (SELECT 1 FROM deliveries WHERE event = e.seq AND seq <= ?) AS isAgain
    FROM events e WHERE seq = ?`)
  const text = db.prepare('SELECT event FROM events WHERE seq = ?')
  const owingNothing = db.prepare(`
    SELECT ${eventColumns}, 0 AS isAgain FROM events e
    WHERE e.seq > ? AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event = e.seq) ORDER BY e.seq LIMIT ?`)
  const mails = db.prepare(`
    SELECT seq, created_at AS createdAt, recipients, message_id AS messageId, state, tries, interruptions,
      begun_at AS begunAt, due_at AS dueAt, ended_at AS endedAt, outcome
    FROM mails WHERE seq > ? ORDER BY seq LIMIT ?`)
  const members = db.prepare(`
    SELECT ${memberColumns} FROM deliveries d JOIN events e ON e.seq = d.event WHERE d.mail = ? ORDER BY d.seq`)
  const requests = db.prepare(`
    SELECT seq, hash, gateway, method, content_type AS contentType, received_at AS receivedAt, reason,
      octet_length(body) AS bytes FROM quarantine WHERE seq > ? ORDER BY seq LIMIT ?`)
  const body = db.prepare('SELECT body FROM quarantine WHERE seq = ?')

  /** The first rows, and of those that are too large for a slice one. */
  const fitting = <Row extends Sized>(found: readonly Row[]): Row[] => {
    let bytes = 0
    const end = found.findIndex((row, index) => {
      bytes += row.bytes
      return index > 0 && bytes > mostBytes
    })
    return end < 0 ? [...found] : found.slice(0, end)
  }

  type Flags = 'hasText' | 'hasMedia' | 'isAgain'
  type EventRow = Sized & Omit<CopiedEvent, 'event' | Flags> & Record<Flags, 0 | 1>
  const eventOf = ({ seq, bytes: _bytes, hasText, hasMedia, isAgain, ...row }: EventRow): CopiedEvent => ({
    ...row,
    event: (text.get(seq) as { event: string }).event,
    hasText: hasText === 1,
    hasMedia: hasMedia === 1,
    isAgain: isAgain === 1,
  })

  type DeliveryRow = Omit<CopiedDelivery, 'attempts'> & { event: number }
  const readDeliveries = (after: number) => {
    const events = new Map<number, CopiedEvent>()
    const slice: CopiedDelivery[] = []
    let bytes = 0
    for (const { event: eventSeq, ...row } of deliveries.all(after, rows) as DeliveryRow[]) {
      const tried = attempts.all(row.seq) as CopiedDelivery['attempts']
      const found = events.has(eventSeq) ? null : (event.get(after, eventSeq) as EventRow)
      bytes += tried.reduce((sum, { outcome }) => sum + outcome.length, found?.bytes ?? 0)
      if (slice.length > 0 && bytes > mostBytes) break
      if (found) events.set(eventSeq, eventOf(found))
      slice.push({ ...row, attempts: tried })
    }
    return { last: slice.at(-1)?.seq, slice: { events: [...events.values()], deliveries: slice } }
  }

  const readEvents = (after: number) => {
    const found = fitting(owingNothing.all(after, rows) as EventRow[])
    return { last: found.at(-1)?.seq, slice: { events: found.map(eventOf) } }
  }

  const readMails = (after: number) => {
    const found = mails.all(after, rows) as Omit<CopiedMail, 'members'>[]
    const slice = found.map((mail) => ({ ...mail, members: members.all(mail.seq) as CopiedMember[] }))
    return { last: found.at(-1)?.seq, slice: { mails: slice } }
  }

  const readRequests = (after: number) => {
    const found = fitting(requests.all(after, rows) as (Sized & Omit<CopiedRequest, 'body'>)[])
    const slice = found.map((row) => ({ ...row, ...(body.get(row.seq) as { body: Uint8Array }) }))
    return { last: found.at(-1)?.seq, slice: { requests: slice } }
  }

  const readRepeats = (after: Uint8Array) => {
    const found = repeats.all(after, rows) as CopiedRepeat[]
    return { last: found.at(-1)?.hash, slice: { repeats: found } }
  }

  return { readRepeats, readDeliveries, readEvents, readMails, readRequests }
}

/** Throws an EngineError. */
const confirmThere = (path: string): void => {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0) return
  throw new EngineError('engine-failed', `${path} does not exist or is empty: there is nothing to copy.`)
}

/** Throws an EngineError. */
const own = (owner: Owner, path: string, now: number): void => {
  // Whoever works without the lock and is silent may be stopped and go on at any time.
  owner.contend(Number.POSITIVE_INFINITY, now)
  if (owner.confirm(now)) return
  throw new EngineError(
    'engine-busy',
    `Another process delivers from ${path}, so that what is copied would be delivered twice. Stop it, and copy again.`,
  )
}

/** Throws an EngineError: what the engine would not open is not copied either, nor what is damaged anywhere. */
export const openExport = (file: string, clock: Clock, size: SliceSize): CopySource => {
  const location = resolve(file)
  let wasThere = false
  let db: DatabaseSync | null = null
  let owner: Owner | null = null
  let stopTouching = () => {}

  const errorOf = (error: unknown): EngineError => {
    if (error instanceof EngineError) return error
    const failure = failureOf(error)
    // What was a database and does not look like one has lost its beginning.
    if (isDamage(failure) && wasThere) return damaged(location, failure.message)
    return engineErrorOf(failure, location)
  }

  const close = () => {
    stopTouching()
    owner?.close()
    db?.close()
  }

  const open = () => {
    const path = realPath(location)
    wasThere = wasSetUp(path)
    confirmThere(path)
    db = openDatabase(path)
    const said = Object.values(db.prepare('PRAGMA integrity_check(1)').get()!)[0]
    if (said !== 'ok') throw damaged(path, String(said))
    createFile(ownerPath(path))
    owner = createOwner(db, ownerPath(path))
    own(owner, path, clock.now())
    return { db, owner }
  }

  const touchOn = () => {
    stopTouching = clock.after(touchMs, () => {
      try {
        owner?.touch(clock.now())
      } catch {
        // Said by the next slice, which cannot confirm that the file is ours.
      }
      touchOn()
    })
  }

  const start = () => {
    try {
      return open()
    } catch (error) {
      close()
      throw errorOf(error)
    }
  }

  const opened = start()
  touchOn()
  const reader = readerOf(opened.db, size)

  /** What belongs together is read at one moment. */
  const consistent = <Value>(read: () => Value): Value => {
    try {
      if (!opened.owner.confirm(clock.now()))
        throw new EngineError(
          'engine-busy',
          `Another process began to deliver from ${location} during the copy. Stop it, and copy again: what was copied stays, and the rest follows.`,
        )
      opened.db.exec('BEGIN')
      return read()
    } catch (error) {
      throw errorOf(error)
    } finally {
      if (opened.db.isTransaction) opened.db.exec('COMMIT')
    }
  }

  function* walk<At>(read: (after: At) => { last: At | undefined; slice: CopiedSlice }, first: At) {
    for (let after: At = first; ; ) {
      const { last, slice } = consistent(() => read(after))
      if (last === undefined) return
      yield slice
      after = last
    }
  }

  const key = consistent(() => opened.db.prepare('SELECT key FROM repeat_key').get())
  return {
    repeatKey: (key as { key: Uint8Array } | undefined)?.key ?? null,
    *slices() {
      yield* walk(reader.readRepeats, new Uint8Array())
      yield* walk(reader.readDeliveries, 0)
      yield* walk(reader.readEvents, 0)
      yield* walk(reader.readMails, 0)
      yield* walk(reader.readRequests, 0)
    },
    close,
  }
}
