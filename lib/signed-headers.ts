// A signature (HMAC-SHA256) and the time it was made in two headers, where a service does not say how it writes
// them, so that all of it is an option. What is signed is known in gateways/.
import { z } from 'zod'
import { VerificationError } from './errors.ts'
import { verifyFresh, verifyMac } from './signature.ts'

const headerSchema = z
  .string()
  .regex(/^[\w!#$%&'*+.^`|~-]+$/)
  .describe("the name of a header, such as 'x-signature'")

export const signedHeadersShape = {
  /** Carries the signature. Default: `x-signature`. */
  header: headerSchema.default('x-signature'),
  /** Carries the time that is signed. Default: `x-timestamp`. */
  timestampHeader: headerSchema.default('x-timestamp'),
  /** Default: `hex`. */
  encoding: z.enum(['hex', 'base64']).default('hex'),
  /** Default: `s`, seconds since the Unix epoch. */
  timestampUnit: z.enum(['s', 'ms']).default('s'),
  /** What stands before the signature in its header, such as `v1=`. Default: nothing. */
  prefix: z.string().describe("a text such as 'v1='").default(''),
  /** How far the time that is signed may be from ours. Default: 300,000, five minutes. */
  toleranceMs: z.number().positive().describe('milliseconds, more than 0').default(300_000),
}

type Signed = {
  /** Names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>
  secrets: readonly string[]
  /** Milliseconds since the Unix epoch. */
  now: number
  /** What was signed at this time, given as it is written in the header. */
  partsAt(timestamp: string): readonly (string | Buffer)[]
}

/** Throws a VerificationError. */
export const verifySignedHeaders = (
  { headers, secrets, now, partsAt }: Signed,
  options: z.output<z.ZodObject<typeof signedHeadersShape>>,
): void => {
  const { encoding, prefix, timestampUnit, toleranceMs } = options
  const textAt = (name: string): string => [headers[name.toLowerCase()] ?? ''].flat()[0] ?? ''
  const signature = textAt(options.header)
  const timestamp = textAt(options.timestampHeader)
  if (signature === '') throw new VerificationError('signature-missing', 'the request carries no signature')
  if (timestamp === '')
    throw new VerificationError('signature-missing', 'the request does not say when it was signed')
  if (!signature.startsWith(prefix))
    throw new VerificationError('signature-malformed', 'the signature does not begin with the prefix')
  if (!/^\d{1,15}$/.test(timestamp))
    throw new VerificationError('signature-malformed', 'the time of the signature is no whole number')
  verifyMac(signature.slice(prefix.length), { secrets, parts: partsAt(timestamp), encoding })
  // Only then, since until then the time is anybody's word.
  verifyFresh(Number(timestamp) * (timestampUnit === 's' ? 1_000 : 1), now, toleranceMs)
}
