// Reads the fields of a parsed body that may be absent, null or of another JSON type than documented: a text
// where a number was promised, and the other way round. What the fields mean is known in gateways/.

/** The fields of a JSON object; none of anything else. */
export const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {}

/** The items of a JSON array; none of anything else. */
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** A text as it came, a number as its digits; null for anything else. */
export const textOf = (value: unknown): string | null => {
  if (typeof value === 'string') return value
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : null
}

/** Like `textOf`, without the space around it; null where nothing is left: for ids and numbers of phones. */
export const wordOf = (value: unknown): string | null => textOf(value)?.trim() || null

/** A number, or a text that is one; null for anything else. */
export const numberOf = (value: unknown): number | null => {
  const word = wordOf(value)
  if (word === null) return null
  const number = Number(word)
  return Number.isFinite(number) ? number : null
}
