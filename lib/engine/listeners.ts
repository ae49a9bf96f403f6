// Who wants to know when something may have become due.
import type { Engine } from '../engine.ts'
import type { Logger } from '../logger.ts'
import { traceOf } from '../trace.ts'

export type Listeners = {
  onDue: Engine['onDue']
  /** Calls them all. One that throws disturbs nobody, and the log is told. */
  tell(): void
}

/** `loggerNow` is asked when there is something to log: whoever listens may do so before the engine is opened. */
export const createListeners = (loggerNow: () => Logger | undefined): Listeners => {
  const listeners = new Set<() => void>()
  return {
    onDue(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    tell() {
      for (const listener of listeners) {
        try {
          listener()
        } catch (error) {
          loggerNow()?.error(traceOf(error), 'a listener of the database threw')
        }
      }
    },
  }
}
