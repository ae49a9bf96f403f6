// How the columns that we and pg-boss select become values, whatever parsers the host has given the pg package.

type Parse = (text: string) => unknown
/** What pg asks for the parser of a type, by its number in PostgreSQL's catalog (`pg_type`). */
export type Types = { getTypeParser(oid: number, format?: string): Parse }

const asText: Parse = (text) => text
/** As either `bytea_output` has them: hex, or the characters with `\\` and `\ooo` for some. */
const bytes: Parse = (text) => {
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex')
  const byte = (_: string, one: string) => (one === '\\' ? one : String.fromCharCode(Number.parseInt(one, 8)))
  return Buffer.from(text.replace(/\\(\\|\d{3})/g, byte), 'latin1')
}

/** Of ids and names, which need no quotes. */
const list: Parse = (text) => text.slice(1, -1).split(',').filter(Boolean)

const parsers: Readonly<Record<number, Parse>> = {
  16: (text) => text === 't',
  17: bytes,
  21: Number,
  23: Number,
  114: JSON.parse,
  700: Number,
  701: Number,
  1009: list,
  2951: list,
  3802: JSON.parse,
}

/** All else is text. */
export const types: Types = { getTypeParser: (oid) => parsers[oid] ?? asText }
