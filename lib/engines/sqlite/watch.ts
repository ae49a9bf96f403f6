// Watches the files of an open database, since somebody may move, delete, replace or cut them, which SQLite does
// not notice: what is stored in a file that has lost its name is lost with it.
import { type Stats, statSync } from 'node:fs'
import { basename } from 'node:path'
import { EngineError } from '../../errors.ts'
import { damaged } from './damage.ts'

type Seen = Pick<Stats, 'ino' | 'dev' | 'size'>

export type Files = {
  /** Throws an EngineError when a file is not the one that was opened, or has lost its end. */
  confirm(): void
}

/** They tell whether a file that became this short holds all that SQLite counts on. */
export type IsWhole = { database(bytes: number): boolean; log(bytes: number): boolean }

export const watchFiles = (path: string, isWhole: IsWhole): Files => {
  let known: Seen[] | null = null

  const confirmOne = (file: string, seen: Seen, before: Seen) => {
    if (seen.ino !== before.ino || seen.dev !== before.dev) {
      const message = `${file} was replaced by another file; that one is opened if it is whole.`
      throw new EngineError('engine-damaged', message)
    }
    if (seen.size >= before.size) return
    // The log is emptied when all of it is in the database, and the database cut when it was rewritten.
    if (file === path ? isWhole.database(seen.size) : isWhole.log(seen.size)) return
    throw damaged(path, `${basename(file)} was ${before.size} bytes long and is now ${seen.size}`)
  }

  return {
    confirm() {
      const seen = [path, `${path}-wal`].map((file, index) => {
        const one = statSync(file, { throwIfNoEntry: false })
        if (!one) throw new EngineError('engine-damaged', `${file} is gone: it was moved or deleted.`)
        if (known) confirmOne(file, one, known[index]!)
        return one
      })
      known = seen
    },
  }
}
