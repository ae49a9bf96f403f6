// Bytes → text → fields: forms in any charset, however badly escaped, and JSON.
// Reading the bytes off the wire is in read.ts; what the fields mean is known in gateways/.
import { isUtf8 } from 'node:buffer'
import { TextDecoder } from 'node:util'
import { PayloadError } from '../errors.ts'
import type { Form } from '../gateway.ts'

// No gateway posts more than a few dozen; a body of nothing but `&` should not cost thousands.
const mostFields = 1_000

const percent = 0x25

const hexDigit = (byte: number | undefined): number => {
  if (byte === undefined) return -1
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** Undoes `%XX` in place; what is not a whole escape stays as it is written. */
const unescapeBytes = (bytes: Buffer): Buffer => {
  let length = 0
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index]!
    const high = byte === percent ? hexDigit(bytes[index + 1]) : -1
    const low = high >= 0 ? hexDigit(bytes[index + 2]) : -1
    bytes[length] = low >= 0 ? high * 16 + low : byte
    if (low >= 0) index += 2
    length += 1
  }
  return bytes.subarray(0, length)
}

/** The charset that the sender declared, where it is of use: UTF-8 has been tried by then. */
const fallbackDecoder = (contentType: string | undefined): TextDecoder => {
  const label = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType ?? '')?.[1]
  if (label !== undefined) {
    try {
      const decoder = new TextDecoder(label, { ignoreBOM: true })
      if (decoder.encoding !== 'utf-8') return decoder
    } catch {
      // An unknown label says no more than none.
    }
  }
  // It has a character for almost every byte, so that nothing is lost even when it is the wrong one.
  return new TextDecoder('windows-1252')
}

/**
 * Reads `application/x-www-form-urlencoded`. Never throws. Each name and value is UTF-8 if it can be, else
 * the declared charset, else windows-1252 (note `charset:...`). The first of several fields of one name
 * wins (note `duplicate`); fields beyond the thousandth are left out (note `truncated`).
 */
export const decodeForm = (bytes: Buffer, contentType?: string): Form => {
  const wellFormed = isUtf8(bytes)
  // Otherwise a character for each byte, from which the bytes can be had back.
  const encoding = wellFormed ? 'utf8' : 'latin1'
  const text = bytes.toString(encoding)
  const fields: Record<string, string> = Object.create(null)
  const notes: string[] = []
  const note = (name: string) => {
    if (!notes.includes(name)) notes.push(name)
  }

  const decode = (part: string): string => {
    const spaced = part.includes('+') ? part.replaceAll('+', ' ') : part
    if (wellFormed || !/[\x80-\xff]/.test(spaced)) {
      if (!spaced.includes('%')) return spaced
      try {
        return decodeURIComponent(spaced)
      } catch {
        // Broken escapes or another charset: byte by byte, below.
      }
    }
    const plain = unescapeBytes(Buffer.from(spaced, encoding))
    if (isUtf8(plain)) return plain.toString('utf8')
    const decoder = fallbackDecoder(contentType)
    note(`charset:${decoder.encoding}`)
    return decoder.decode(plain)
  }

  let count = 0
  for (let start = 0; start < text.length; ) {
    const mark = text.indexOf('&', start)
    const end = mark < 0 ? text.length : mark
    const part = text.slice(start, end)
    start = end + 1
    if (part === '') continue
    count += 1
    if (count > mostFields) {
      note('truncated')
      break
    }
    const equals = part.indexOf('=')
    const name = decode(equals < 0 ? part : part.slice(0, equals))
    if (fields[name] !== undefined) note('duplicate')
    else fields[name] = equals < 0 ? '' : decode(part.slice(equals + 1))
  }
  return { fields, notes }
}

/** The form that an earlier body parser made: texts, and the first text of a list. */
export const formOf = (body: unknown): Form => {
  const fields: Record<string, string> = Object.create(null)
  const notes: string[] = []
  for (const [name, value] of Object.entries(body ?? {})) {
    const text = Array.isArray(value) ? value.find((item) => typeof item === 'string') : value
    if (Array.isArray(value) && !notes.includes('duplicate')) notes.push('duplicate')
    if (typeof text === 'string') fields[name] = text
  }
  return { fields, notes }
}

// Deeper than any gateway nests. A body of nothing but brackets would take forty times its size in memory.
const deepest = 32

const [quote, backslash] = [...Buffer.from('"\\')]
const opening = Buffer.from('[{')
const closing = Buffer.from(']}')

const isTooDeep = (bytes: Buffer): boolean => {
  let depth = 0
  let isText = false
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index]!
    if (byte === quote) isText = !isText
    else if (isText) index += byte === backslash ? 1 : 0
    else if (opening.includes(byte)) depth += 1
    else if (closing.includes(byte)) depth -= 1
    if (depth > deepest) return true
  }
  return false
}

/** Reads JSON whatever the content type says. Throws a PayloadError that quotes nothing of it. */
export const decodeJson = (bytes: Buffer): unknown => {
  if (isTooDeep(bytes))
    throw new PayloadError('body-unreadable', 'the body nests deeper than any message does')
  try {
    // TextDecoder drops the byte order mark, which JSON.parse refuses.
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    throw new PayloadError('body-unreadable', 'the body is not JSON')
  }
}
