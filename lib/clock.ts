// Time, injectable. Nothing else in the library reads it, so that tests can turn the hands themselves.

/** Where the library has its time from. */
export type Clock = {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Runs `action` once after `ms` and returns what cancels it. Does not keep the process alive. */
  after(ms: number, action: () => void): () => void
}

// Node fires a longer timer at once, which would turn a long wait into a busy loop, and warns of a negative one.
const longestTimerMs = 2 ** 31 - 1
const timerMs = (ms: number): number => Math.min(Math.max(ms, 0), longestTimerMs)

/** The time of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const wake = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const timer = setTimeout(wake, timerMs(ms))
      signal?.addEventListener('abort', wake, { once: true })
    }),
  after: (ms, action) => {
    const timer = setTimeout(action, timerMs(ms)).unref()
    return () => clearTimeout(timer)
  },
}

/** Milliseconds that never jump, for measuring how long something took. */
export const monotonicNow = (): number => performance.now()
