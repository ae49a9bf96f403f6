// Time zones: which names there are, and what the clocks of one mean. How instants are shown to people is the
// affair of fallback/, how gateways write them that of gateways/.
import { instantOfIso } from './instants.ts'

/** Whether it is an IANA name that this system knows. */
export const isZone = (zone: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== null
  } catch {
    return false
  }
}

/**
 * Reads `2026-02-01 09:05:00`, which says no offset, by the clocks of a zone: ISO 8601 in UTC, null when it makes
 * no sense. Of an hour that comes twice it is one of the two. Throws a RangeError for a zone that is none.
 */
export const clocksOf = (zone: string): ((iso: string) => string | null) => {
  const clocks = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
  // `1/1/2026, GMT+02:00`, and in UTC just `GMT` on some systems.
  const offsetAt = (instant: string): string => clocks.format(Date.parse(instant)).replace(/^.*GMT/, '')
  return (iso) => {
    const guess = instantOfIso(iso)
    const near = guess && instantOfIso(iso + offsetAt(guess))
    // Once more: near a change of the clocks, the guess may lie on its other side.
    return near && instantOfIso(iso + offsetAt(near))
  }
}
