// Log lines about requests: rare, since whoever can reach the address could otherwise fill the log, and
// without a word of what was sent.
import type { Clock } from '../clock.ts'
import { errorCodes } from '../errors.ts'
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
    logger[level]({ gateway, code, ...untold, ...details }, message)
  }
}

/** The code of one of our own errors; null for any other. */
export const ownCode = (error: unknown): string | null => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && Object.hasOwn(errorCodes, code) ? code : null
}

/**
 * What can be logged of an error. The message of a foreign one may quote the text of an SMS (JSON.parse
 * does), so that only its name and the places it came through are told.
 */
export const traceOf = (error: unknown): Record<string, unknown> => {
  const { name, message = '', stack = '' } = (error ?? {}) as Partial<Error>
  if (ownCode(error) !== null) return { reason: message }
  const places = stack.slice(stack.indexOf(message) + message.length).match(/^ +at .*$/gm) ?? []
  return { error: name ?? typeof error, at: places.slice(0, 3).map((place) => place.trim()) }
}
