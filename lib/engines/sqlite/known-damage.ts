// Damage that was found is not looked for again while the files are as they were: each look goes through the whole
// file, which keeps a large one's disk busy all the time.
import { statSync } from 'node:fs'
import { failureOf, isDamage } from './errors.ts'

const stateOf = (file: string): string => {
  const seen = statSync(file, { throwIfNoEntry: false })
  return seen ? [seen.ino, seen.size, seen.mtimeMs, seen.ctimeMs].join(' ') : 'gone'
}

export type KnownDamage = {
  /** Opens the database at `path`, or throws what was thrown for the very same files. */
  unlessKnown<Opened>(path: string, open: () => Promise<Opened>): Promise<Opened>
}

export const createKnownDamage = (): KnownDamage => {
  let known: { state: string; error: unknown } | null = null
  return {
    async unlessKnown(path, open) {
      // Of before the look, so that what is mended meanwhile is seen.
      const state = [path, `${path}-wal`].map(stateOf).join()
      if (known?.state === state) throw known.error
      try {
        return await open()
      } catch (error) {
        known = isDamage(failureOf(error)) ? { state, error } : null
        throw error
      }
    },
  }
}
