// Why the database cannot be used although it was open: told to the log once a minute for each code, and to
// whoever calls meanwhile.
import { monotonicNow } from '../clock.ts'
import type { EngineError } from '../errors.ts'
import type { Logger } from '../logger.ts'

const quietMs = 60_000

export type Trouble = {
  /** Null while all is well. */
  readonly current: EngineError | null
  begin(error: EngineError): void
  end(): void
}

/** `elapsed` is milliseconds that never jump. */
export const createTrouble = (
  location: string,
  logger: Logger,
  elapsed: () => number = monotonicNow,
): Trouble => {
  let current: EngineError | null = null
  let isTold = false
  const toldAt = new Map<string, number>()

  return {
    get current() {
      return current
    },
    begin(error) {
      current = error
      const { code, message: reason } = error
      const before = toldAt.get(code)
      if (before !== undefined && elapsed() - before < quietMs) return
      toldAt.set(code, elapsed())
      isTold = true
      logger.error(
        { database: location, code, reason },
        'the database cannot be used; senders are told to try again until it can',
      )
    },
    end() {
      current = null
      if (isTold) logger.warn({ database: location }, 'the database can be used again')
      isTold = false
    },
  }
}
