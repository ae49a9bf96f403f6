// What kind of address a sender or recipient is, and its E.164 form where there is no doubt about it.
import {
  type CountryCode,
  isSupportedCountry,
  PhoneNumber,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/max'
import type { Address } from './event.ts'

/** Two letters (ISO 3166-1), such as `AU`. */
export type Country = CountryCode

export const isCountry = (value: unknown): value is Country =>
  typeof value === 'string' && isSupportedCountry(value)

// ITU-T E.164 allows 7 to 15 digits; the rest is room for `00` and for punctuation.
const longestNumber = 40
const shortestE164 = '+1234567'.length
const longestShortCode = 8

// Most numbers are E.164 as they stand, and seeing that costs a third of parsing them (4 of 14 µs).
const isPlainlyValid = (number: string): boolean => {
  if (!/^\+[1-9]\d{6,14}$/.test(number)) return false
  try {
    return new PhoneNumber(number).isValid()
  } catch {
    return false // No country has this calling code.
  }
}

// Only a *valid* number is converted, by the numbering plan of its country. "Possible" is not enough: by
// its length alone, the short code 19881988 could be a number abroad.
const validE164 = (number: string, country?: Country): string | null => {
  if (isPlainlyValid(number)) return number
  const parsed = parsePhoneNumberFromString(number, {
    extract: false,
    ...(country && { defaultCountry: country }),
  })
  if (!parsed || parsed.number.length < shortestE164) return null
  return parsed.isValid() ? parsed.number : null
}

const numeric = (raw: string, number: string, country: Country | undefined): Address => {
  const international = number.startsWith('+') ? number : `+${number.replace(/^00/, '')}`
  // At home first: 2025550123 is a number in Washington, and +20 25550123 one in Egypt.
  const e164 = (country && validE164(number, country)) ?? validE164(international)
  if (e164 !== null) return { raw, kind: 'e164', e164 }
  const digits = number.replace(/[\s().\-/+*#]/g, '')
  if (!/^\d+$/.test(digits)) return { raw, kind: 'unknown', e164: null }
  if (digits.length <= longestShortCode) return { raw, kind: 'short', e164: null }
  // A single leading zero is the trunk prefix of most countries; which country it is was not said.
  if (/^0[1-9]/.test(digits)) return { raw, kind: 'national', e164: null }
  return { raw, kind: 'unknown', e164: null }
}

const classify = (raw: string, country: Country | undefined): Address => {
  const trimmed = raw.trim()
  if (/^[^\s@]+@[^\s@]+$/.test(trimmed)) return { raw, kind: 'email', e164: null }
  if (/[\p{L}@]/u.test(trimmed)) return { raw, kind: 'alpha', e164: null }
  if (trimmed.length > longestNumber) return { raw, kind: 'unknown', e164: null }
  return numeric(raw, trimmed, country)
}

// Asking the numbering plan costs about 10 µs, and the same few addresses come again and again: ours in
// every message, the sender's in every conversation.
const remembered = new Map<string, Address>()
const mostRemembered = 1_000

/**
 * What `raw` is. It never throws, and whatever it says, `raw` is kept exactly as it came. A number without its
 * country's code is E.164 only if it is valid in `country`.
 */
export const address = (raw: string, country?: Country): Address => {
  // A country never begins with a space, so that no sender's name can be taken for one.
  const key = `${country ?? ''} ${raw}`
  const known = remembered.get(key)
  if (known) return known
  const result = Object.freeze(classify(raw, country))
  if (raw.length <= longestNumber) {
    if (remembered.size >= mostRemembered) remembered.clear()
    remembered.set(key, result)
  }
  return result
}

/** The country of an E.164 number; undefined where it has none, as satellite numbers, or is no number. */
export const countryOf = ({ e164 }: Address): Country | undefined =>
  e164 === null ? undefined : parsePhoneNumberFromString(e164)?.country

/** Whom an address means, as text: its E.164 form, else as it came; empty for none. */
export const addressText = (address: Address | null): string => address?.e164 ?? address?.raw ?? ''

const decodedPlus = /^ \d[\d ().-]*$/

/**
 * A plus that was not percent-encoded is a space by the rules of forms and queries: ` 61412345678` was
 * `+61412345678`. Only what has the digits of an international number is repaired; a name or a short code had none.
 */
export const repairPlus = (raw: string): string => {
  if (!decodedPlus.test(raw)) return raw
  const digits = raw.replace(/\D/g, '').length
  return digits >= 7 && digits <= 15 ? `+${raw.slice(1)}` : raw
}
