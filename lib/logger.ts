// What the library logs through. Texts, full numbers, tokens and secrets never reach it.

type Log = (details: Record<string, unknown>, message: string) => void

/** Any pino-like logger: an object of details first, then the message. */
export type Logger = { debug?: Log; info: Log; warn: Log; error: Log }

const line = (details: Record<string, unknown>, message: string): string => {
  const text = Object.entries(details).map(([key, value]) => `${key}=${JSON.stringify(value)}`)
  return ['smshook:', message, ...text].join(' ')
}

/** The default: warnings and errors, a line each. */
export const consoleLogger: Logger = {
  info: () => {},
  warn: (details, message) => console.warn(line(details, message)),
  error: (details, message) => console.error(line(details, message)),
}
