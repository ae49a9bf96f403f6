// How SQLite's errors reach the caller: as plain data between threads, which would lose their codes, and then
// as an EngineError in words.
import { EngineError, errorCodes } from '../../errors.ts'

/** An error as it travels between threads. */
export type Failure = { code: string | undefined; errcode: number | undefined; message: string }

const messageOf = (name: unknown, message: unknown, error: unknown): string => {
  // What cannot be parsed is quoted in it, be it the text of a message.
  if (name === 'SyntaxError') return name
  return typeof message === 'string' ? message : String(error)
}

export const failureOf = (error: unknown): Failure => {
  const { name, code, errcode, message } = (error ?? {}) as Partial<Record<'name' | keyof Failure, unknown>>
  return {
    // A DOMException's is a number.
    code: typeof code === 'string' ? code : undefined,
    errcode: typeof errcode === 'number' ? errcode : undefined,
    message: messageOf(name, message, error),
  }
}

// https://www.sqlite.org/rescode.html; the low byte of an extended code is the primary one.
const primary = ({ errcode = 0 }: Partial<Failure>): number => errcode & 0xff
const busy = 5
const noMemory = 7
const readOnly = 8
const inOut = 10
const corrupt = 11
const full = 13
const cannotOpen = 14
const protocol = 15
const notDatabase = 26

/** What a write meets beyond a quota, and what making the index of the log meets on a full disk. */
const inOutForSpace = [778, 4874]

const oneOf =
  (...codes: number[]) =>
  (error: unknown): boolean =>
    codes.includes(primary((error ?? {}) as Partial<Failure>))

export const isBusy = oneOf(busy)
export const isFull = oneOf(full)
export const isPerhapsFull = ({ errcode = 0 }: Partial<Failure>): boolean => inOutForSpace.includes(errcode)

const isBroken = oneOf(noMemory, readOnly, inOut, corrupt, cannotOpen, protocol, notDatabase)
/** After which a connection is not to be trusted any more. */
export const isLoss = (failure: Failure): boolean => isBroken(failure) || isOurs(failure.code)
/** What concerns all calls, not the one that met it. */
export const isGrave = (error: unknown): boolean => isBusy(error) || isFull(error) || isBroken(error)
/** After which the file has to be looked through before anything is written to it. */
export const isDamage = (failure: Failure): boolean =>
  oneOf(corrupt, notDatabase)(failure) || failure.code === 'engine-damaged'

type Code = EngineError['code']
const isOurs = (code: string | undefined): code is Code =>
  code?.startsWith('engine-') === true && code in errorCodes

const words = (failure: Failure, location: string): [Code, string] => {
  const said = failure.errcode === undefined ? failure.message : `SQLite: ${failure.message}`
  switch (primary(failure)) {
    case full:
      return [
        'engine-full',
        `The disk that holds ${location} is full (${said}). Nothing was written; free some space.`,
      ]
    case busy:
      return [
        'engine-busy',
        `Another process kept ${location} locked for seconds (${said}). Nothing was written; look for a stopped process or an open database shell.`,
      ]
    case readOnly:
    case cannotOpen:
      return [
        'engine-failed',
        `${location} cannot be opened for writing (${said}). Check its owner and permissions.`,
      ]
    case notDatabase:
      return ['engine-failed', `${location} is not an SQLite database (${said}). Give sqlite() another path.`]
    case corrupt:
      return ['engine-damaged', `${location} is damaged (${said}).`]
    default:
      return ['engine-failed', `The database ${location} failed (${said}).`]
  }
}

/** What a failure means to the operator; the cause keeps SQLite's own codes. */
export const engineErrorOf = (failure: Failure, location: string): EngineError => {
  if (isOurs(failure.code)) return new EngineError(failure.code, failure.message)
  const cause = Object.assign(new Error(failure.message), { code: failure.code, errcode: failure.errcode })
  const [code, message] = words(failure, location)
  return new EngineError(code, message, { cause })
}
