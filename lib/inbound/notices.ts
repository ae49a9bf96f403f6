// Log lines about requests: rare, since whoever can reach the address could otherwise fill the log, and
// without a word of what was sent.
import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'

export type Notice = {
  level: 'warn' | 'error'
  gateway: string
  code: string
  message: string
  details?: Record<string, unknown>
}

const quietMs = 60_000

/** Logs the same code of the same gateway once a minute, saying how often it happened in between. */
export const createNotices = (logger: Logger, clock: Clock): ((notice: Notice) => void) => {
  const spoken = new Map<string, { at: number; untold: number }>()
  return ({ level, gateway, code, message, details }) => {
    const key = `${gateway} ${code}`
    const last = spoken.get(key)
    const now = clock.now()
    if (last && now - last.at < quietMs) {
      last.untold += 1
      return
    }
    spoken.set(key, { at: now, untold: 0 })
    const untold = last?.untold ? { untold: last.untold } : {}
    logger[level]({ ...details, gateway, code, ...untold }, message)
  }
}
