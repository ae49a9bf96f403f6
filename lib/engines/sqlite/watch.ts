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

/** How many bytes SQLite counts on at this moment in a file that became shorter. */
export type Needed = { database(): number; log(): number }

/** Other processes write and empty the log between two looks, but hardly each time. */
const mostLooks = 5

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

export const watchFiles = (path: string, needed: Needed): Files => {
  let known: Seen[] | null = null

  const confirmOne = (file: string, seen: Seen, before: Seen) => {
    if (seen.ino !== before.ino || seen.dev !== before.dev) {
      const message = `${file} was replaced by another file; that one is opened if it is whole.`
      throw new EngineError('engine-damaged', message)
    }
    if (seen.size >= before.size) return
    // The log is emptied when all of it is in the database, and the database cut when it was rewritten.
    const bytesNeeded = file === path ? needed.database : needed.log
    for (let look = 0; look < mostLooks; look += 1) {
      // Counted first: what another process writes meanwhile makes the file longer than that.
      const bytes = bytesNeeded()
      if (bytes <= sizeOf(file)) return
    }
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
