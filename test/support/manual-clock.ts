// A clock whose hands the test turns.
import type { Clock } from '../../lib/clock.ts'

export type ManualClock = Clock & {
  /** Moves time on and runs what has become due, in order of its time. */
  advance(ms: number): Promise<void>
  /** Sets the hands forward or back, as an operator does; what waits for a while waits no more and no less for it. */
  jump(ms: number): void
  /** How many timers wait. */
  readonly waiting: number
}

type Timer = { at: number; action: () => void }

/** Lets everything that is already runnable run: promises, immediates and answers from a worker. */
export const settled = async (turns = 5): Promise<void> => {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

export const manualClock = (start = Date.UTC(2026, 0, 1)): ManualClock => {
  let now = start
  const timers = new Set<Timer>()

  const after = (ms: number, action: () => void) => {
    const timer = { at: now + ms, action }
    timers.add(timer)
    return () => {
      timers.delete(timer)
    }
  }

  return {
    now: () => now,
    after,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve()
        const cancel = after(ms, resolve)
        signal?.addEventListener('abort', () => {
          cancel()
          resolve()
        })
      }),
    async advance(ms) {
      const end = now + ms
      for (;;) {
        await settled()
        const next = [...timers].sort((a, b) => a.at - b.at)[0]
        if (!next || next.at > end) break
        timers.delete(next)
        now = Math.max(now, next.at)
        next.action()
      }
      now = end
      await settled()
    },
    jump(ms) {
      now += ms
      for (const timer of timers) timer.at += ms
    },
    get waiting() {
      return timers.size
    },
  }
}
