// Reads the times that gateways write, leniently, as ISO 8601 in UTC. What makes no sense is null and never an
// error: an odd date must not cost a message.
import { numberOf, wordOf } from './fields.ts'

// 2000 and 2100: what lies outside is no time of an SMS, milliseconds taken for seconds among it.
const earliestMs = 946_684_800_000
const latestMs = 4_102_444_800_000

const isoOf = (ms: number): string | null =>
  ms >= earliestMs && ms < latestMs ? new Date(ms).toISOString() : null

/** Seconds since the Unix epoch, fractions allowed, as a number or a text. */
export const instantOfSeconds = (value: unknown): string | null => {
  // What JavaScript also takes for a number, such as 0x5df5 and 1e9, no gateway writes.
  if (typeof value === 'string' && !/^\s*\d+(\.\d+)?\s*$/.test(value)) return null
  const seconds = numberOf(value)
  return seconds === null ? null : isoOf(seconds * 1_000)
}

const iso =
  /^(\d{4}-\d\d-\d\d)[T ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60)(?:[.,](\d{1,9}))?)?\s*(\S{0,9})$/i
// `+-5:00` is what old phones make of -5:00.
const offset = /^([+-]{1,2})(\d{1,2}):?(\d\d)?$/

const offsetMs = (zone: string): number | null => {
  if (zone === '' || /^(z|utc|gmt)$/i.test(zone)) return 0
  const [, signs, hours, minutes = '0'] = offset.exec(zone) ?? []
  if (signs === undefined) return null
  const size = (Number(hours) * 60 + Number(minutes)) * 60_000
  return signs.endsWith('-') ? -size : size
}

/**
 * A date and time as ISO 8601 writes them, with up to nine digits of a fraction and any way to write the
 * offset; without one it is taken for UTC.
 */
export const instantOfIso = (value: unknown): string | null => {
  const [, date, hour, minute, second = '0', fraction = '', zone = ''] = iso.exec(wordOf(value) ?? '') ?? []
  const shift = offsetMs(zone)
  if (date === undefined || shift === null) return null
  const day = new Date(`${date}T00:00Z`)
  // The 30th of February would become a day in March.
  if (Number.isNaN(day.getTime()) || !day.toISOString().startsWith(date)) return null
  const seconds = (Number(hour) * 60 + Number(minute)) * 60 + Number(second)
  const millis = Number(fraction.padEnd(3, '0').slice(0, 3))
  return isoOf(day.getTime() + seconds * 1_000 + millis - shift)
}
