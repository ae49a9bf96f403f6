// What a developer may write to register webhooks, as far as both services agree on it.
import { BlockList, isIP } from 'node:net'
import { z } from 'zod'
import { OptionsError } from '../errors.ts'

/** Both services answer within a second or two; a phone that sleeps takes longer. */
export const defaultTimeoutMs = 10_000

const ownNetworks = new BlockList()
for (const [network, bits] of [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  ownNetworks.addSubnet(network, bits)
for (const [network, bits] of [
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  ownNetworks.addSubnet(network, bits, 'ipv6')

/** A name that no public DNS has, or an address of a local network. */
const isOwnNetwork = (host: string): boolean => {
  const address = host.replace(/^\[|\]$/g, '')
  if (isIP(address) !== 0) return ownNetworks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  return !host.includes('.') || /\.(local|lan|internal|home\.arpa)$/.test(host)
}

/** A login never travels unencrypted, unless to a phone or a server nearby, which have no certificate. */
const isSafe = (url: string): boolean => {
  if (!URL.canParse(url)) return true // Refused as no URL at all.
  const { protocol, hostname } = new URL(url)
  return protocol !== 'http:' || isOwnNetwork(hostname)
}

export const baseUrlSchema = z
  .url({ protocol: /^https?$/ })
  .refine((url) => !/[?#@]/.test(url), 'write it without login, query and fragment')
  .refine(isSafe, 'the login would travel unencrypted; write https (http is for a host of your own network)')
  .describe("a URL such as 'https://sms.example.com'")

/** Unset where it was meant, it would send the login of a private server to the cloud. */
export const checkBaseUrl = (options: { baseUrl?: string | undefined }): void => {
  if (!('baseUrl' in options) || options.baseUrl !== undefined) return
  const advice = 'is its environment variable set? Leave it out for the cloud'
  throw new OptionsError('options-invalid', `\`baseUrl\` is undefined; ${advice}`)
}

export const timeoutSchema = z.number().int().min(1).max(600_000).describe('milliseconds, from 1 to 600,000')

/** Its value is not shown: a webhook's URL may end in a token. */
export const webhookUrlSchema = z
  .string()
  .refine(
    (url) => URL.canParse(url) && /^https?:\/\//i.test(url),
    "not an http or https URL; write one such as 'https://example.com/sms/phone'",
  )
  .describe("the address of this app's gateway as the service sees it")

/** As a part of a path, a dot or two would name another resource. */
export const idSchema = z.string().regex(/[^.]/).describe("a webhook's id, as in `list`")

/** The text of a login or key without the newline that files of secrets end in. */
export const textOf = (value: string | undefined): string => value?.trim() ?? ''

/** Refuses a key that no header can carry: `fetch` would show it in its error. */
export const checkHeader = (option: string, value: string): string => {
  if (/^[\x21-\x7e]+$/.test(value)) return value
  throw new OptionsError('options-invalid', `\`${option}\` holds a space or a letter that no key has`)
}
