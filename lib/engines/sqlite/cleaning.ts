// Pruning and erasing as the main thread sees them: slice after slice, and then what is left in the file's log
// and between its rows.
import { addressKey } from '../../address-key.ts'
import type { Engine } from '../../engine.ts'
import type { Logger } from '../../logger.ts'
import { type Erased, erasingFrom } from './erase.ts'
import type { Input, Name, Output } from './store.ts'

/** How often a log that another process reads is asked for; each time waits for a while. */
const logTries = 20

type Ask = <N extends Name>(name: N, input: Input<N>) => Promise<Output<N>>

export const createCleaning = (
  ask: Ask,
  warn: Logger['warn'],
  database: string,
): Pick<Engine, 'prune' | 'erase'> => {
  /** Something was pruned that the log may still hold. */
  let isLogStale = false

  const emptyLog = async (): Promise<boolean> => {
    for (let left = logTries; left > 0; left -= 1) if (await ask('emptyLog', undefined)) return true
    return false
  }

  return {
    async prune(wish) {
      const result = await ask('prune', wish)
      if (result.pruned > 0) {
        isLogStale = true
        await ask('checkpoint', undefined)
      }
      if (result.cursor === null && isLogStale) isLogStale = !(await ask('emptyLog', undefined))
      return result
    },

    async erase(numbers) {
      const keys = numbers.map(addressKey).filter((key) => key !== '')
      if (keys.length === 0) return 0
      let erased = 0
      for (let place: Erased['next'] = erasingFrom; place !== null; ) {
        const slice: Erased = await ask('erase', { keys, place })
        if (slice.erased > 0) await ask('checkpoint', undefined)
        erased += slice.erased
        place = slice.next
      }
      if (!(await ask('rewrite', undefined)))
        warn(
          { database },
          'the database is too large to be rewritten while it is in use, or its disk too full: what was erased cannot be read any more, but scraps of it may be left between other rows until VACUUM is run',
        )
      if (!(await emptyLog()))
        warn(
          { database },
          'another process reads the database, so that its log cannot be emptied: what was erased is left in it until then',
        )
      return erased
    },
  }
}
