// Cuts tokens from what is kept: a gateway may echo our whole URL back to us, token and all.
// Knows no gateway and no event; what is cut from is the affair of receiver.ts.
const cut = '***'

// Deeper than any gateway nests; a body of nothing but brackets must not end the stack.
const deepest = 32

const escapeForPattern = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

const anyCase = (digits: string): string =>
  [...digits].map((digit) => `[${digit}${digit.toUpperCase()}]`).join('')

/** `%XX`, percent-encoded any number of times: a URL in a URL in a form. */
const encoded = (byte: number): string => `%(?:25)*${anyCase(byte.toString(16).padStart(2, '0'))}`

/** One character of a token: as itself, as UTF-8 bytes, percent-encoded, and as forms and JSON write it. */
const characterPattern = (character: string): string => {
  const bytes = [...Buffer.from(character)]
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
  // JSON may escape any character, and a slash in a way of its own.
  const escapes = units.map((unit) => `\\\\u${anyCase(unit.toString(16).padStart(4, '0'))}`).join('')
  const patterns = [escapeForPattern(character), bytes.map(encoded).join(''), escapes]
  if ('/"\\'.includes(character)) patterns.push(`\\\\${escapeForPattern(character)}`)
  if (bytes.length > 1) patterns.push(escapeForPattern(Buffer.from(character).toString('latin1')))
  if (character === ' ') patterns.push('\\+', encoded('+'.charCodeAt(0)))
  return `(?:${patterns.join('|')})`
}

export type Redactor = {
  text(text: string): string
  bytes(bytes: Buffer): Buffer
  /** Texts in lists and objects too, names included. */
  value(value: unknown): unknown
}

/** Replaces every token by `***`, however it is encoded. */
export const createRedactor = (tokens: readonly string[]): Redactor => {
  // The longest first: of two tokens, one may be the beginning of the other.
  const sorted = [...tokens].sort((a, b) => b.length - a.length)
  const pattern = new RegExp(sorted.map((token) => [...token].map(characterPattern).join('')).join('|'), 'g')
  // Most names and values of a form are too short to hold one, which is seen sooner than a pattern is tried.
  const shortest = Math.min(...tokens.map((token) => token.length))
  const text = (value: string): string => (value.length < shortest ? value : value.replace(pattern, cut))

  const valueAt = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') return text(value)
    if (typeof value !== 'object' || value === null) return value
    if (depth === 0) return cut
    if (Array.isArray(value)) return value.map((item) => valueAt(item, depth - 1))
    // With a prototype, since one object without it makes JSON.stringify take twice as long over the whole event.
    const copy: Record<string, unknown> = {}
    for (const original of Object.keys(value)) {
      const name = text(original)
      const item = valueAt((value as Record<string, unknown>)[original], depth - 1)
      if (name === '__proto__') Object.defineProperty(copy, name, { value: item, enumerable: true })
      else copy[name] = item
    }
    return copy
  }

  return {
    text,
    bytes: (bytes) => Buffer.from(text(bytes.toString('latin1')), 'latin1'),
    value: (value) => valueAt(value, deepest),
  }
}
