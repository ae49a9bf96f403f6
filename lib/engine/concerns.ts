// What is stored about the addresses that are to be erased.
import { addressKey, mayHold } from '../address-key.ts'
import type { Address, SmsEvent } from '../event.ts'

/** Addresses as `addressKey` makes them. */
export type Keys = readonly string[]

const isOneOf = (address: Address | null, keys: Keys): boolean =>
  address !== null && [address.raw, address.e164 ?? ''].some((one) => keys.includes(addressKey(one)))

/** Whether a text that nobody could read may hold one of them: in doubt it does. */
export const mayHoldOne = (text: string, keys: Keys): boolean => keys.some((key) => mayHold(text, key))

/** Null when it is not JSON any more. */
const parsed = (text: string): SmsEvent | null => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Whether an event, as it is stored, is from or to one of them. */
export const concerns = (text: string, keys: Keys): boolean => {
  const event = parsed(text)
  if (event === null) return mayHoldOne(text, keys)
  const { from, to, raw } = event
  // Of an event that was not understood, what came is all that tells.
  return from || to ? isOneOf(from, keys) || isOneOf(to, keys) : mayHoldOne(JSON.stringify(raw), keys)
}

/** The body of a request as text; what a form or JSON may have made of the characters is undone as far as that goes. */
export const legible = (body: Uint8Array): string => {
  const text = Buffer.from(body).toString('utf8')
  return text
    .replace(/(?:%[\da-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString('utf8'))
    .replace(/\\u([\da-f]{4})/gi, (_, unit: string) => String.fromCharCode(Number.parseInt(unit, 16)))
}
