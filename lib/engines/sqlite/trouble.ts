// Why the database cannot be used although it was open: told to the log once a minute for each code, and to
// whoever calls meanwhile.
import type { EngineContext } from '../../engine.ts'
import type { EngineError } from '../../errors.ts'

const quietMs = 60_000

export type Trouble = {
  /** Null while all is well. */
  readonly current: EngineError | null
  begin(error: EngineError): void
  end(): void
}

export const createTrouble = (location: string, { clock, logger }: EngineContext): Trouble => {
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
      if (before !== undefined && clock.now() - before < quietMs) return
      toldAt.set(code, clock.now())
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
