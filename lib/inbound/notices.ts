// Log lines about requests: rare, since whoever can reach the address could otherwise fill the log, and
// without a word of what was sent.
import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'

export type Notice = {
  level: 'warn' | 'error'
  gateway: string
  code: string
  message: string
  /** The address at the other end of the connection; null where it does not matter whose request it was. */
  source: string | null
  details?: Record<string, unknown>
}

const windowMs = 60_000
/** Sources that have a line of their own in a minute, so that a noisy one does not hide another. */
const mostTold = 8
/** Sources that are told apart in a minute. */
const mostCounted = 1_000

type Window = { sources: Set<string | null>; told: number; untold: number }

/**
 * For each code of each gateway, a minute at a time: logs the first notice of each of the first eight sources,
 * and at the end of the minute one line that counts the rest (`untold`) and from how many addresses, at most
 * 1,000, all of that minute's notices came (`sources`). Nothing of it outlasts the minute.
 */
export const createNotices = (logger: Logger, clock: Clock): ((notice: Notice) => void) => {
  const windows = new Map<string, Window>()

  const open = (key: string, { level, gateway, code, message }: Notice): Window => {
    const window: Window = { sources: new Set(), told: 0, untold: 0 }
    windows.set(key, window)
    clock.after(windowMs, () => {
      windows.delete(key)
      const { sources, untold } = window
      if (untold === 0) return
      const from = sources.has(null) ? {} : { sources: sources.size }
      logger[level]({ gateway, code, untold, ...from }, `${message}, and more of the same within a minute`)
    })
    return window
  }

  return (notice) => {
    const { level, gateway, code, message, source, details } = notice
    const key = `${gateway} ${code}`
    const window = windows.get(key) ?? open(key, notice)
    const isNew = !window.sources.has(source)
    if (isNew && window.sources.size < mostCounted) window.sources.add(source)
    if (!isNew || window.told === mostTold) {
      window.untold += 1
      return
    }
    window.told += 1
    logger[level]({ ...details, gateway, code, ...(source === null ? {} : { source }) }, message)
  }
}
