// JSON as other languages write it by default: fit to stand in HTML, and without halves of characters.

export type JsonDialect = {
  /** Signs that are written as `\u003c` and so on. */
  escaped: RegExp
  /** What stands for half of a surrogate pair. */
  half: string
  /** Whether a null is left out together with its name. */
  omitsNulls?: boolean
}

export const jsonText = (value: unknown, { escaped, half, omitsNulls = false }: JsonDialect): string =>
  JSON.stringify(value, (_name, field) => {
    if (typeof field === 'string') return field.replace(/\p{Surrogate}/gu, half)
    return field === null && omitsNulls ? undefined : field
  }).replace(escaped, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
