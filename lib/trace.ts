// What can be told of an error in a log line. Texts, numbers and secrets never reach one, and nobody knows what
// the message of a foreign error quotes.
import { errorCodes } from './errors.ts'

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
  const code = ownCode(error)
  if (code !== null) return { code, reason: message }
  const places = stack.slice(stack.indexOf(message) + message.length).match(/^ +at .*$/gm) ?? []
  return { error: name ?? typeof error, at: places.slice(0, 3).map((place) => place.trim()) }
}
