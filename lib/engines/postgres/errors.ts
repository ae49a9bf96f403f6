// How the errors of PostgreSQL and of the way to it reach the caller: as an EngineError in words. The details of an
// error quote what was to be stored, so nothing of them is passed on.
import { EngineError } from '../../errors.ts'

/** `code` is an SQLSTATE (five characters) or Node's own. */
export const codeOf = (error: unknown): string => {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

const isState = (code: string): boolean => /^[\dA-Z]{5}$/.test(code) && /\d/.test(code)

// https://www.postgresql.org/docs/current/errcodes-appendix.html; the first two characters are the class.
const deadlocks = ['40P01', '40001']
const away = /^(08|57P|53300|25006)/
/** Where an error's own words tell of the data. */
const ofData = /^(22|23)/

/** Two transactions stood in each other's way; run again, they get through. */
export const isDeadlock = (error: unknown): boolean => deadlocks.includes(codeOf(error))

/** No call is at fault: the database cannot be reached, the connection was lost, or it leads to what takes no writes. */
export const isAway = (error: unknown): boolean => {
  const code = codeOf(error)
  return isState(code) ? away.test(code) : !(error instanceof EngineError)
}

type Code = EngineError['code']

const saidBy = (error: unknown): string => {
  const code = codeOf(error)
  const { message } = (error ?? {}) as { message?: unknown }
  if (ofData.test(code) || typeof message !== 'string') return code || 'unknown'
  return code === '' ? message : `${code}: ${message}`
}

const words = (error: unknown, location: string): [Code, string] => {
  const code = codeOf(error)
  const said = saidBy(error)
  if (code === '53100')
    return ['engine-full', `The disk of ${location} is full (${said}). Nothing was written.`]
  if (/^28|^3D000|^42501/.test(code))
    return [
      'engine-failed',
      `${location} refuses us (${said}). Check the URL; the role needs the right to create schemas in the database.`,
    ]
  if (code === '25006')
    return ['engine-failed', `${location} takes no writes (${said}): it is a standby, or set to read only.`]
  if (isAway(error))
    return ['engine-unreachable', `${location} cannot be reached (${said}). Nothing was written.`]
  return ['engine-failed', `${location} failed (${said}).`]
}

/** What a failure means to the operator; the cause keeps the code. */
export const engineErrorOf = (error: unknown, location: string): EngineError => {
  if (error instanceof EngineError) return error
  const [code, message] = words(error, location)
  return new EngineError(code, message, {
    cause: Object.assign(new Error(saidBy(error)), { code: codeOf(error) }),
  })
}
