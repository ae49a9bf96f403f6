// Who gets mail: what counts as an address, and recipients as a configuration names them. No address in
// here ever comes from a message.
import { domainToASCII } from 'node:url'
import { z } from 'zod'
import type { SmsEvent } from './event.ts'

// Stricter than RFC 5321, which allows quoted local parts and domain literals: every character that means
// something in an address list is refused, so that one address can never be read as two.
const addressPattern = /^[^\s@<>()[\]\\,;:"\p{Cc}\p{Cf}]{1,64}@[^\s@<>()[\]\\,;:"\p{Cc}\p{Cf}]{1,189}$/u

/** The domain in ASCII (IDNA), lower case; empty when it is none. */
export const domainOf = (address: string): string =>
  domainToASCII(address.slice(address.lastIndexOf('@') + 1))

/** True for one bare address, such as `owner@example.com`. */
export const isMailAddress = (text: unknown): text is string =>
  typeof text === 'string' && addressPattern.test(text) && domainOf(text) !== ''

type OneOrMore = string | string[]

/** A bare address, a list of them, or a function of the event that returns either. */
export type Recipients = OneOrMore | ((event: SmsEvent) => OneOrMore | Promise<OneOrMore>)

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value])
const areAddresses = (value: unknown): value is OneOrMore =>
  listOf(value).length > 0 && listOf(value).every(isMailAddress)

const example = "'owner@example.com', or a list of such email addresses"

export const addressesSchema = z
  .custom<OneOrMore>(areAddresses, { error: `write ${example}` })
  .describe(example)

export const recipientsSchema = z
  .custom<Recipients>((value) => typeof value === 'function' || areAddresses(value))
  .describe(`${example}, or a function of the event that returns either`)

/** The addresses that are known without an event. */
export const fixedRecipients = (recipients: Recipients | undefined): string[] | null =>
  recipients === undefined || typeof recipients === 'function' ? null : (listOf(recipients) as string[])

/** Rejects with what the function rejects with, or when it returns something that is no address. */
export const recipientsOf = async (recipients: Recipients, event: SmsEvent): Promise<string[]> => {
  const addresses = typeof recipients === 'function' ? await recipients(event) : recipients
  if (!areAddresses(addresses))
    throw new TypeError('the function `to` returned something that is no mail address')
  return listOf(addresses) as string[]
}
