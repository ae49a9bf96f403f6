// The log, and what deleting leaves behind in the file. All these calls are in no transaction, as SQLite wants.
import type { DatabaseSync } from 'node:sqlite'
import { hasSpace, reserveBytes } from './reserve.ts'

/** How long emptying the log waits, and lets others wait, for a process that reads. */
const logBusyMs = 50

/** A file of this size is rewritten in about 0.7 s, in which nothing is accepted and as much memory is taken. */
const mostRewrittenBytes = 128 * 2 ** 20

export const traceCalls = (db: DatabaseSync) => {
  const patience = db.prepare('PRAGMA busy_timeout')
  const file = db.prepare(`
    SELECT file AS path, page_count * page_size AS bytes
    FROM pragma_database_list, pragma_page_count, pragma_page_size WHERE name = 'main'`)

  const isRewritable = (): boolean => {
    const { path, bytes } = file.get() as { path: string; bytes: number }
    if (path === '') return true
    // What is rewritten goes through the log. A disk that it would fill has better use for its space.
    return bytes <= mostRewrittenBytes && hasSpace(path, 2 * bytes + 2 * reserveBytes)
  }

  return {
    /** What slices change lies far apart. Written only when the log is full, it would hold up all others at once. */
    checkpoint(): void {
      db.exec('PRAGMA wal_checkpoint(PASSIVE)')
    },

    /** Writes the log to the file and cuts it, for it holds what was overwritten there; false: someone reads it. */
    emptyLog(): boolean {
      const { timeout } = patience.get() as { timeout: number }
      db.exec(`PRAGMA busy_timeout = ${logBusyMs}`)
      try {
        const { busy } = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number }
        return busy === 0
      } finally {
        db.exec(`PRAGMA busy_timeout = ${timeout}`)
      }
    },

    /**
     * Writes all pages anew: although SQLite overwrites what it deletes, rows that it moved from page to page
     * before may have left copies between the rows of now. False: the file is too large, or the disk too full.
     */
    rewrite(): boolean {
      if (!isRewritable()) return false
      db.exec('VACUUM')
      return true
    },
  }
}
