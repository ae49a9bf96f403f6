// The files of a database as others see them: created for its user alone, and watched, since somebody may move,
// delete or cut them while they are open, which SQLite itself does not notice. What is stored in a file that has
// lost its name is lost with it.
import { closeSync, existsSync, openSync, realpathSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { EngineError } from '../errors.ts'
import { damaged, failureOf } from './sqlite-errors.ts'

/** The file holds texts and numbers, so only its user may read it. It is never opened once it exists. */
export const createFile = (path: string): void => {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    const { code } = failureOf(error)
    if (code === 'EEXIST') return
    const message = `The database ${path} cannot be created (${code}). Check the owner and permissions of its folder.`
    throw new EngineError(code === 'ENOSPC' ? 'engine-full' : 'engine-failed', message, { cause: error })
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Two names of one file must share one lock, hence its real one. Throws an EngineError. */
export const realPath = (location: string): string => {
  try {
    if (existsSync(location)) return realpathSync(location)
    return join(realpathSync(dirname(location)), basename(location))
  } catch (error) {
    const message = `The folder ${dirname(location)} does not exist, so the database cannot be created in it. Create the folder.`
    throw new EngineError('engine-failed', message, { cause: error })
  }
}

/** The file that exists from when the database was first set up. */
export const ownerPath = (path: string): string => `${path}.owner`

/**
 * True when the database was set up before. Throws an EngineError when it was and is gone: an empty one in its
 * place would hide that, and SQLite would delete the log that goes with it.
 */
export const wasSetUp = (path: string): boolean => {
  // Looked at first: another process may be setting it up right now.
  const wasThere = existsSync(ownerPath(path)) || sizeOf(`${path}-wal`) > 0
  if (!wasThere || sizeOf(path) > 0) return wasThere
  throw new EngineError(
    'engine-damaged',
    `${path} is gone or empty, though what lies beside it says that it held data. Put it back, or a backup; it is noticed within seconds. To begin with nothing instead, delete ${basename(path)}-wal and ${basename(path)}.owner in ${dirname(path)}.`,
  )
}

type Seen = Pick<Stats, 'ino' | 'dev' | 'size'>

export type Files = {
  /** Throws an EngineError when a file is not the one that was opened, or has lost its end. */
  confirm(): void
}

/** They tell whether a file that became this short holds all that SQLite counts on; they may throw. */
export type IsWhole = { database(bytes: number): boolean; log(bytes: number): boolean }

export const watchFiles = (path: string, isWhole: IsWhole): Files => {
  let known: Seen[] | null = null

  const confirmOne = (file: string, seen: Seen, before: Seen | undefined) => {
    if (before === undefined || (seen.ino === before.ino && seen.dev === before.dev)) {
      if (before === undefined || seen.size >= before.size) return
      // The log is truncated when all of it is in the database, and the database when it was rewritten.
      if (file === path ? isWhole.database(seen.size) : isWhole.log(seen.size)) return
      throw damaged(path, `${basename(file)} was ${before.size} bytes long and now has ${seen.size}`)
    }
    throw new EngineError('engine-failed', `${file} was replaced by another file; that one is opened now.`)
  }

  return {
    confirm() {
      const seen = [path, `${path}-wal`].map((file, index) => {
        const one = statSync(file, { throwIfNoEntry: false })
        if (!one) throw new EngineError('engine-failed', `${file} is gone: it was moved or deleted.`)
        confirmOne(file, one, known?.[index])
        return one
      })
      known = seen
    },
  }
}
