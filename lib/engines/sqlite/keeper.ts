// What stands between the store and a world of full disks and moved files: new messages are refused while the
// disk is full, so that the rest is still recorded; what was written to a file that is not there any more is not
// answered as stored; and a connection that cannot be trusted is reported as lost. Opens the store, too.
import { DatabaseSync } from 'node:sqlite'
import { monotonicNow } from '../../clock.ts'
import { EngineError } from '../../errors.ts'
import { damaged } from './damage.ts'
import { type Failure, failureOf, isBusy, isDamage, isFull, isLoss, isPerhapsFull } from './errors.ts'
import { createFile } from './files.ts'
import { createReserve, type Reserve, reserveBytes } from './reserve.ts'
import { busyMs, migrations, openDatabase } from './schema.ts'
import { type Call, isAlone, type Name, type Place, type Reply, type Store, storeOn, timed } from './store.ts'
import { watchFiles } from './watch.ts'

/** How long a statement waits for a process that has kept the file locked for `busyMs` already. */
const impatientMs = 250

/** How long what was seen of the disk and the version is good for: under load, transactions follow faster. */
const lookMs = 20

const fresh: ReadonlySet<Name> = new Set<Name>(['accept', 'quarantine'])
const isFresh = ({ name }: Call): boolean => fresh.has(name)
/** What may have written nothing although it succeeded. */
const light: ReadonlySet<Name> = new Set<Name>(['find', 'list', 'counts', 'claim', 'claimMails'])

const number = (db: DatabaseSync, name: string): number =>
  Number(Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0])

const failureIn = ({ answers }: Reply): Failure | null => {
  for (const answer of answers) if ('failure' in answer) return answer.failure
  return null
}

export const failed = (calls: readonly Call[], failure: Failure): Reply => ({
  answers: calls.map(({ id }) => ({ id, failure })),
  isDue: false,
})

/** What tidies up has no claim to the reserve. Only that the log could not be emptied has to be told: it holds what was erased. */
const withoutSpace = (calls: readonly Call[], failure: Failure): Reply => ({
  answers: calls.map(({ id, name }) =>
    name === 'emptyLog' ? { id, failure } : { id, value: name === 'rewrite' ? false : undefined },
  ),
  isDue: false,
})

const needsSpace = (failure: Failure, reserve: Reserve): boolean =>
  isFull(failure) || (isPerhapsFull(failure) && reserve.isDiskFull())

/** A store in memory needs none of it. */
export const keptStore = (
  store: Store,
  db: DatabaseSync,
  path: string,
  reserve: Reserve,
  goodForMs = lookMs,
): Store => {
  const usualPages = number(db, 'wal_autocheckpoint')
  const pageBytes = number(db, 'page_size')
  const version = db.prepare('PRAGMA user_version')
  let isSparing = false
  let isImpatient = false
  let lookedAt = Number.NEGATIVE_INFINITY

  // A rewrite raises it, also that of another process. Only a rewrite makes the file shorter.
  let schema = number(db, 'schema_version')

  const files = watchFiles(path, {
    database: () => {
      const before = schema
      schema = number(db, 'schema_version')
      // The pages that SQLite counts may be in the log alone.
      return schema === before ? number(db, 'page_count') * pageBytes : 0
    },
    log: () => {
      try {
        const { log } = db.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as { log: number }
        return log <= 0 ? 0 : 32 + log * (24 + pageBytes)
      } catch {
        return Number.POSITIVE_INFINITY
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

  /** Throws an EngineError when the file is not for this version any more. */
  const look = () => {
    if (monotonicNow() - lookedAt < goodForMs) return
    const { user_version: seen } = version.get() as { user_version: number }
    if (seen > migrations.length)
      throw new EngineError('engine-newer', `A newer smshook has brought ${path} to version ${seen}.`)
    const isWhole = reserve.isWhole()
    if (!isWhole && !isSparing) writeLog()
    spare(!isWhole)
    lookedAt = monotonicNow()
  }

  const runLooking = (batch: readonly Call[]): Reply => {
    try {
      // Before: what is written behind a cut would hide it. After: what is answered as stored was stored in the
      // file that has the name.
      files.confirm()
      look()
      const others = isSparing ? batch.filter((call) => !isFresh(call)) : batch
      if (others.length === 0) return { answers: [], isDue: false }
      const reply = store.run(others)
      const failure = failureIn(reply)
      if (failure === null) files.confirm()
      // SQLite's own word for it says nothing of what to do.
      else if (isDamage(failure)) throw damaged(path, failure.message)
      return reply
    } catch (error) {
      return failed(batch, failureOf(error))
    }
  }

  const run = (batch: readonly Call[]): Reply => {
    const reply = runLooking(batch)
    const failure = failureIn(reply)
    const isForSpace = failure !== null && needsSpace(failure, reserve)
    if (isForSpace && batch.every(isAlone)) return withoutSpace(batch, failure)
    if (isForSpace && reserve.give()) {
      spare(true)
      writeLog()
      return run(batch)
    }
    if (failure && isBusy(failure)) beImpatient(true)
    if (failure && isLoss(failure)) return { ...reply, loss: failure }
    if (!failure && batch.some(({ name }) => !light.has(name))) beImpatient(false)
    if (isSparing) writeLog()

    const answered = new Set(reply.answers.map(({ id }) => id))
    const refused = batch.filter(({ id }) => !answered.has(id))
    if (refused.length === 0) return reply
    return { ...reply, answers: [...reply.answers, ...failed(refused, full()).answers] }
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
const refresh = (db: DatabaseSync, path: string): void => {
  const { busy } = db.prepare('PRAGMA wal_checkpoint(RESTART)').get() as { busy: number }
  if (busy !== 0)
    throw new EngineError(
      'engine-busy',
      `Another process reads ${path}, so that its log cannot begin anew after what failed; look for a stopped process or an open database shell.`,
    )
  db.exec('UPDATE owner SET locked = locked')
}

const openFile = (path: string, reserve: Reserve, hasFailed: boolean): DatabaseSync => {
  for (;;) {
    let db: DatabaseSync | null = null
    try {
      db = openDatabase(path)
      if (hasFailed) refresh(db, path)
      return db
    } catch (error) {
      db?.close()
      if (!needsSpace(failureOf(error), reserve) || !reserve.give()) throw error
    }
  }
}

/** Throws an EngineError or SQLite's own error. */
export const openStore = ({ path, lockPath, wasSetUp, before }: Place): Store => {
  if (lockPath === null) return timed(storeOn(openDatabase(path), null))
  const reserve = createReserve(`${path}.reserve`)
  let db: DatabaseSync | null = null
  try {
    if (before && isDamage(before)) examine(path)
    db = openFile(path, reserve, before !== null)
    // From now on it is known to have held data.
    createFile(lockPath)
    reserve.isWhole()
    return timed(keptStore(storeOn(db, lockPath), db, path, reserve))
  } catch (error) {
    db?.close()
    const failure = failureOf(error)
    // What was a database and does not look like one has lost its beginning.
    if (wasSetUp && isDamage(failure) && failure.errcode !== undefined) throw damaged(path, failure.message)
    throw error
  }
}
