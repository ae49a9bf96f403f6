// A signature (HMAC) and the time it was made in two headers, where a service does not say how it writes them, so that
// all of it is an option. What is signed by default is known in gateways/.
import { z } from 'zod'
import { VerificationError } from './errors.ts'
import { instantOfIso } from './instants.ts'
import { verifyFresh, verifyMac } from './signature.ts'

const headerSchema = z
  .string()
  .regex(/^[\w!#$%&'*+.^`|~-]+$/)
  .describe("the name of a header, such as 'x-signature'")

const units = ['s', 'ms', 'iso'] as const

export const signedHeadersShape = {
  /** Carries the signature. Default: `x-signature`. */
  header: headerSchema.default('x-signature'),
  /** Carries the time that is signed. Default: `x-timestamp`. */
  timestampHeader: headerSchema.default('x-timestamp'),
  /** Default: `sha256`. */
  algorithm: z.enum(['sha1', 'sha256', 'sha512']).default('sha256'),
  /** Default: `hex`. */
  encoding: z.enum(['hex', 'base64', 'base64url']).default('hex'),
  /** Default: `s`, seconds since the Unix epoch; `iso`: ISO 8601. */
  timestampUnit: z.enum(units).default('s'),
  /** What stands before the signature in its header, such as `v1=`. Default: nothing. */
  prefix: z.string().describe("a text such as 'v1='").default(''),
  /** How far the time that is signed may be from ours. Default: 300,000, five minutes. */
  toleranceMs: z.number().positive().describe('milliseconds, more than 0').default(300_000),
}

export type Signed = {
  /** As the header has it. */
  timestamp: string
  method: string
  url: string
  body: string | Buffer
}

/** What is signed, as it is strung together: `{timestamp}`, `{method}`, `{url}` and `{body}` are filled in. */
export const signedParts = (template: string, signed: Signed): (string | Buffer)[] =>
  template.split(/\{(timestamp|method|url|body)\}/).map((part, index) =>
    // Of what was split, every second part is a name.
    index % 2 === 1 ? signed[part as keyof Signed] : part,
  )

const epochMs = (timestamp: string, unit: (typeof units)[number]): number | null => {
  if (unit === 'iso') {
    const iso = instantOfIso(timestamp)
    return iso === null ? null : Date.parse(iso)
  }
  if (!/^\d{1,15}$/.test(timestamp)) return null
  return Number(timestamp) * (unit === 's' ? 1_000 : 1)
}

type Request = {
  /** Names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>
  secrets: readonly string[]
  /** Milliseconds since the Unix epoch. */
  now: number
  template: string
  signed: Omit<Signed, 'timestamp'>
}

/** Throws a VerificationError. */
export const verifySignedHeaders = (
  { headers, secrets, now, template, signed }: Request,
  options: z.output<z.ZodObject<typeof signedHeadersShape>>,
): void => {
  const { algorithm, encoding, prefix, timestampUnit, toleranceMs } = options
  const textAt = (name: string): string => [headers[name.toLowerCase()] ?? ''].flat()[0] ?? ''
  const signature = textAt(options.header)
  const timestamp = textAt(options.timestampHeader)
  if (signature === '') throw new VerificationError('signature-missing', 'the request carries no signature')
  if (timestamp === '')
    throw new VerificationError('signature-missing', 'the request does not say when it was signed')
  if (!signature.startsWith(prefix))
    throw new VerificationError('signature-malformed', 'the signature does not begin with the prefix')
  const signedAt = epochMs(timestamp, timestampUnit)
  if (signedAt === null)
    throw new VerificationError('signature-malformed', `the time of the signature is not in ${timestampUnit}`)
  const parts = signedParts(template, { ...signed, timestamp })
  verifyMac(signature.slice(prefix.length), { secrets, parts, algorithm, encoding })
  // Only then, since until then the time is anybody's word.
  verifyFresh(signedAt, now, toleranceMs)
}
