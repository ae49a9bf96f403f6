// The files of a database before it is opened: where they are, whether they held data, and made for their user
// alone.
import { closeSync, existsSync, openSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { EngineError } from '../../errors.ts'
import { failureOf } from './errors.ts'

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
