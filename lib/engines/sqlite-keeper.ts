// What stands between the store and a world of full disks and moved files: new messages are refused while the
// disk is full, so that the rest is still recorded; what was written to a file that is not there any more is not
// answered as stored; and a connection that cannot be trusted is reported as lost. Opens the store, too.
import { DatabaseSync } from 'node:sqlite'
import { EngineError } from '../errors.ts'
import { damaged } from './sqlite-damage.ts'
import { type Failure, failureOf, isBusy, isDamage, isFull, isLoss, isPerhapsFull } from './sqlite-errors.ts'
import { createFile } from './sqlite-files.ts'
import { createReserve, type Reserve, reserveBytes } from './sqlite-reserve.ts'
import { busyMs, migrations, openDatabase } from './sqlite-schema.ts'
import { type Call, type Name, type Place, type Reply, type Store, storeOn } from './sqlite-store.ts'
import { watchFiles } from './sqlite-watch.ts'

/** How long a statement waits for a process that has kept the file locked for `busyMs` already. */
const impatientMs = 250

const fresh: ReadonlySet<Name> = new Set<Name>(['accept', 'quarantine'])
const isFresh = ({ name }: Call): boolean => fresh.has(name)
/** Before which the disk is looked at: claims, too, which come each second. */
const isTelling = ({ name }: Call): boolean => fresh.has(name) || name === 'claim'
/** What may have written nothing although it succeeded. */
const light: ReadonlySet<Name> = new Set<Name>(['find', 'list', 'counts', 'claim', 'claimMails'])

const number = (db: DatabaseSync, name: string): number =>
  Number(Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0])

const failureIn = ({ answers }: Reply): Failure | null => {
  for (const answer of answers) if ('failure' in answer) return answer.failure
  return null
}

const failed = (calls: readonly Call[], failure: Failure): Reply => ({
  answers: calls.map(({ id }) => ({ id, failure })),
  isDue: false,
})

const needsSpace = (failure: Failure, reserve: Reserve): boolean =>
  isFull(failure) || (isPerhapsFull(failure) && reserve.isDiskFull())

/** A store in memory needs none of it. */
export const keptStore = (store: Store, db: DatabaseSync, path: string, reserve: Reserve): Store => {
  const usualPages = number(db, 'wal_autocheckpoint')
  const pageBytes = number(db, 'page_size')
  const version = db.prepare('PRAGMA user_version')
  let isSparing = false
  let isImpatient = false

  const files = watchFiles(path, {
    database: (bytes) => number(db, 'page_count') * pageBytes <= bytes,
    log: (bytes) => {
      try {
        const { log } = db.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as { log: number }
        return log <= 0 || 32 + log * (24 + pageBytes) <= bytes
      } catch {
        return false
      }
    },
  })

  const spare = (wished: boolean) => {
    if (wished === isSparing) return
    db.exec(`PRAGMA wal_autocheckpoint = ${wished ? 0 : usualPages}`)
    isSparing = wished
  }

  /**
   * Writes the log to the file, so that the log's own space is used again and again while the disk is full; what
   * the file needs to grow comes from the reserve.
   */
  const writeLog = () => {
    for (;;) {
      try {
        db.exec('PRAGMA wal_checkpoint(PASSIVE)')
        return
      } catch (error) {
        if (!needsSpace(failureOf(error), reserve) || !reserve.give()) return
      }
    }
  }

  const beImpatient = (wished: boolean) => {
    if (wished === isImpatient) return
    db.exec(`PRAGMA busy_timeout = ${wished ? impatientMs : busyMs}`)
    isImpatient = wished
  }

  const full = (): Failure =>
    failureOf(
      new EngineError(
        'engine-full',
        `The disk that holds ${path} is full: the space that is left is kept for recording tries and emails. Nothing of this was stored; free ${(2 * reserveBytes) / 2 ** 20} MB, and new messages are taken again.`,
      ),
    )

  /** True while new messages may be taken. */
  const lookAtDisk = (): boolean => {
    const isWhole = reserve.isWhole()
    if (!isWhole && !isSparing) writeLog()
    spare(!isWhole)
    return isWhole
  }

  const confirm = () => {
    files.confirm()
    const { user_version: seen } = version.get() as { user_version: number }
    if (seen <= migrations.length) return
    throw new EngineError('engine-newer', `A newer smshook has brought ${path} to version ${seen}.`)
  }

  const runConfirmed = (batch: readonly Call[]): Reply => {
    try {
      // Before: what is written behind a cut would hide it. After: what is answered as stored was stored in the
      // file that has the name.
      confirm()
      const reply = store.run(batch)
      const failure = failureIn(reply)
      if (failure === null) confirm()
      // SQLite's own word for it says nothing of what to do.
      else if (isDamage(failure)) throw damaged(path, failure.message)
      return reply
    } catch (error) {
      return failed(batch, failureOf(error))
    }
  }

  const run = (batch: readonly Call[]): Reply => {
    const refused = batch.some(isTelling) && !lookAtDisk() ? batch.filter(isFresh) : []
    const refusal = refused.length > 0 ? failed(refused, full()).answers : []
    const others = refused.length > 0 ? batch.filter((call) => !isFresh(call)) : batch
    if (others.length === 0) return { answers: refusal, isDue: false }

    const reply = runConfirmed(others)
    const failure = failureIn(reply)
    if (failure && needsSpace(failure, reserve) && reserve.give()) {
      spare(true)
      writeLog()
      return run(batch)
    }
    if (!failure && isSparing) writeLog()
    if (failure && isBusy(failure)) beImpatient(true)
    else if (!failure && others.some(({ name }) => !light.has(name))) beImpatient(false)
    return {
      answers: [...refusal, ...reply.answers],
      isDue: reply.isDue,
      ...(failure && isLoss(failure) ? { loss: failure } : {}),
    }
  }

  return { run, close: store.close }
}

/** Looks through a damaged file; throws an EngineError unless it is whole again. Changes nothing about it. */
const examine = (path: string): void => {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    const said = Object.values(db.prepare('PRAGMA integrity_check(1)').get()!)[0]
    if (said !== 'ok') throw damaged(path, String(said))
  } finally {
    db.close()
  }
}

/**
 * Throws when the file cannot be written to yet. After a failed flush nobody knows what of the log is on disk, so
 * that all of it goes to the file and it begins anew.
 */
const refresh = (db: DatabaseSync): void =>
  db.exec('PRAGMA wal_checkpoint(RESTART); UPDATE owner SET locked = locked')

const openFile = (path: string, reserve: Reserve): DatabaseSync => {
  for (;;) {
    try {
      return openDatabase(path)
    } catch (error) {
      if (!needsSpace(failureOf(error), reserve) || !reserve.give()) throw error
    }
  }
}

/** Throws an EngineError or SQLite's own error. */
export const openStore = ({ path, lockPath, wasSetUp, before }: Place): Store => {
  if (lockPath === null) return storeOn(openDatabase(path), null)
  const reserve = createReserve(`${path}.reserve`)
  let db: DatabaseSync | null = null
  try {
    if (before && isDamage(before)) examine(path)
    db = openFile(path, reserve)
    if (before) refresh(db)
    // From now on it is known to have held data.
    createFile(lockPath)
    reserve.isWhole()
    return keptStore(storeOn(db, lockPath), db, path, reserve)
  } catch (error) {
    db?.close()
    // What was a database and does not look like one has lost its beginning.
    throw wasSetUp && isDamage(failureOf(error)) ? damaged(path, failureOf(error).message) : error
  }
}
