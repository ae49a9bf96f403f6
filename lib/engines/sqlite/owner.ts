// Which of the processes on one file delivers. It holds an exclusive lock on a file beside the database, which
// the kernel frees however the process ends, and its epoch stands in the database, so that one that was stopped,
// superseded and continued notices before it claims again.
import { statSync, utimesSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { monotonicNow } from '../../clock.ts'
import { isBusy } from './errors.ts'
import { leastSetBackMs, setBackOn } from './set-back.ts'

/** How often the owner touches the lock file: its sign of life. */
const touchMs = 500

type Row = { epoch: number; locked: number }

export type Owner = {
  /** Outside a transaction: tries to become the owner, when another is gone or silent for `leaseMs`. */
  contend(leaseMs: number, now: number): void
  /** What `contend` found. */
  readonly isOwner: boolean
  /** In a claim's transaction: true while nobody has taken over. Throws what `contend` met. */
  confirm(now: number): boolean
  /** Tells the others that this process lives, if it is the owner. */
  touch(now: number): void
  /** The clock was set back so far: if this is the owner, what waits comes along. */
  setBack(byMs: number, now: number): void
  /** A token that no other lease has had or will have, be it of a delivery or of a mail. */
  token(): string
  close(): void
}

// Never opened through node:fs: closing any descriptor of a file drops all POSIX locks that the process holds
// on it. Opened afresh for each try, so that a lock on a deleted file is not mistaken for the real one.
const lockFile = (path: string): DatabaseSync | null => {
  const file = new DatabaseSync(path, { timeout: 0 })
  try {
    file.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return file
  } catch (error) {
    file.close()
    if (isBusy(error)) return null
    throw error
  }
}

/** A null `lockPath` means that the database has no other processes. */
export const createOwner = (db: DatabaseSync, lockPath: string | null): Owner => {
  const read = db.prepare('SELECT epoch, locked FROM owner')
  const mark = db.prepare('UPDATE owner SET locked = ?')
  const advance = db.prepare('UPDATE owner SET epoch = epoch + 1, locked = ? WHERE epoch = ?')
  const voidDeliveries = db.prepare(`
    UPDATE deliveries SET interruptions = interruptions + trying, trying = 0, lease = NULL, ready_at = due_at
    WHERE state = 'pending' AND lease IS NOT NULL`)
  const voidMails = db.prepare(`
    UPDATE mails SET interruptions = interruptions + sending, sending = 0, lease = NULL, ready_at = due_at
    WHERE state = 'pending' AND lease IS NOT NULL`)

  // A first try is due at once: it was planned by a process that only accepts, before the clock was set back.
  const recall = db.prepare(`
    UPDATE deliveries SET due_at = ?1, ready_at = ?1
    WHERE state = 'pending' AND retry = 0 AND lease IS NULL AND ready_at > ?1`)

  const setBack = setBackOn(db)

  let epoch: number | null = null
  let lock: DatabaseSync | null = null
  let sign: { mtimeMs: number; seenAt: number } | null = null
  let touchedAt = Number.NEGATIVE_INFINITY
  let tokens = 0
  let problem: unknown = null

  const row = () => read.get() as Row
  const hasLock = () => lockPath === null || lock !== null

  const unlock = () => {
    lock?.close()
    lock = null
  }

  const giveUp = () => {
    epoch = null
    sign = null
    unlock()
  }

  const sayAlive = (path: string, now: number) => {
    utimesSync(path, now / 1000, now / 1000)
    touchedAt = monotonicNow()
  }

  const touch = (path: string, now: number) => {
    if (monotonicNow() - touchedAt >= touchMs) sayAlive(path, now)
  }

  /** Only ever compares what this process saw at two moments of its own: clocks of processes may differ. */
  const isSilent = (path: string, leaseMs: number): boolean => {
    const { mtimeMs } = statSync(path)
    if (sign === null || sign.mtimeMs !== mtimeMs) sign = { mtimeMs, seenAt: monotonicNow() }
    return monotonicNow() - sign.seenAt >= leaseMs
  }

  /** A sign of life that is yet to come was given before the clock was set back. The first owner finds none. */
  const aheadMs = (seen: number, now: number): number => {
    const ms = lockPath === null || seen === 0 ? 0 : statSync(lockPath).mtimeMs - now
    return ms > leastSetBackMs ? ms : 0
  }

  const takeOver = (seen: number, now: number) => {
    db.exec('BEGIN IMMEDIATE')
    let setBackMs = 0
    try {
      const isTaken = advance.run(hasLock() ? 1 : 0, seen).changes === 1
      if (isTaken) {
        setBackMs = aheadMs(seen, now)
        recall.run(now)
        voidDeliveries.run()
        voidMails.run()
        if (setBackMs > 0) setBack(setBackMs)
        // Before others can read the epoch, or they would take over from one who seems to be silent.
        if (lockPath !== null) sayAlive(lockPath, now)
      }
      db.exec('COMMIT')
      if (isTaken) epoch = seen + 1
      else giveUp()
    } catch (error) {
      try {
        // Whoever takes over next has to know.
        if (setBackMs > 0) sayAlive(lockPath!, now + setBackMs)
      } finally {
        if (db.isTransaction) db.exec('ROLLBACK')
      }
      throw error
    }
  }

  const live = (now: number) => {
    if (epoch === null || lockPath === null) return
    try {
      touch(lockPath, now)
    } catch (error) {
      // Without a sign of life others take over while this one works, so it stops being the owner.
      giveUp()
      throw error
    }
  }

  const contend = (leaseMs: number, now: number) => {
    if (lockPath === null) {
      if (epoch === null) takeOver(row().epoch, now)
      return
    }
    lock ??= lockFile(lockPath)
    if (epoch !== null) return
    // The epoch is read before the sign of life, and a new owner gives the sign before others see its epoch: so
    // nobody takes over from one who has just done so.
    const { epoch: seen, locked } = row()
    const isFree = lock !== null && locked === 1
    if (isFree || isSilent(lockPath, leaseMs)) {
      takeOver(seen, now)
    } else {
      // The lock of a stopped process came free, but one that superseded it is at work without it.
      unlock()
    }
  }

  return {
    contend(leaseMs, now) {
      problem = null
      try {
        contend(leaseMs, now)
      } catch (error) {
        problem = error
        if (epoch === null) unlock()
      }
    },
    get isOwner() {
      return epoch !== null
    },
    confirm(now) {
      if (problem !== null) throw problem
      if (epoch === null) return false
      const { epoch: current, locked } = row()
      if (current !== epoch) {
        giveUp()
        return false
      }
      if (hasLock() && locked === 0) mark.run(1)
      live(now)
      return true
    },
    touch: live,
    setBack(byMs, now) {
      if (epoch === null) return
      setBack(byMs)
      // Or whoever is next would do it again.
      touchedAt = Number.NEGATIVE_INFINITY
      live(now)
    },
    token() {
      tokens += 1
      return `${epoch}.${tokens}`
    },
    close: giveUp,
  }
}
