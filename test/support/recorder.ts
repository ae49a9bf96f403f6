// A logger that keeps every line, at every level.
import type { Logger } from '../../lib/logger.ts'

export type Line = { level: keyof Logger; details: Record<string, unknown>; message: string }
export type Recorder = Required<Logger> & { readonly lines: readonly Line[] }

export const recorder = (): Recorder => {
  const lines: Line[] = []
  const log = (level: keyof Logger) => (details: Record<string, unknown>, message: string) => {
    lines.push({ level, details, message })
  }
  return { lines, debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
}
