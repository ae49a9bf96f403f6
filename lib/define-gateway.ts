// Makes a gateway of what is particular to it, the built-in ones and the users' own alike: what proves a sender is
// checked here, at construction, and what was read is completed to events.
import { z } from 'zod'
import { completed, type Draft, type HomeCountry } from './draft.ts'
import { OptionsError } from './errors.ts'
import type { Gateway, GatewayRequest } from './gateway.ts'
import { checkOptions } from './options.ts'
import { isCountry } from './phone.ts'
import { describeBlank, type Secret, secretSchema, textsOf, writtenTexts } from './secrets.ts'

/** What every gateway takes. */
export type GatewayOptions = {
  /**
   * What the sender repeats to prove itself: as the last part of the URL, as `?token=`, as the password of Basic
   * auth or in `tokenHeader`.
   */
  token?: Secret
  /** The name of a header that may carry the token, by itself or after `Bearer `. */
  tokenHeader?: string | undefined
  /** True takes posts from anyone who knows the address, if nothing else is configured. Default: false. */
  allowUnauthenticated?: boolean | undefined
  /** The largest body, in bytes. */
  maxBytes?: number | undefined
  /**
   * The country of numbers that come without its code: two letters such as `AU`, or `ours`, that of our own number
   * in the same message. Default: none; such numbers stay as they are.
   */
  country?: HomeCountry | undefined
}

export const gatewayShape = {
  token: secretSchema,
  tokenHeader: z
    .string()
    .regex(/^[\w!#$%&'*+.^`|~-]+$/)
    .describe("the name of a header, such as 'x-sms-token'")
    .optional(),
  allowUnauthenticated: z.boolean().describe('true or false').optional(),
  maxBytes: z.number().int().min(1).describe('a whole number of bytes').optional(),
  country: z
    .custom<HomeCountry>((value) => value === 'ours' || isCountry(value))
    .describe("two letters such as 'AU', or 'ours'")
    .optional(),
}

export type GatewayDefinition = GatewayOptions & {
  /** What it is called in log lines, and in the store when it is a router's only one. */
  kind: string
  /** What the sender signs with, for `verify`. */
  secret?: Secret
  /** Default: POST alone. */
  methods?: readonly string[] | undefined
  /** Whether `verify` or `parse` need the bytes as they came. Default: true when there is a secret. */
  needsBytes?: boolean | undefined
  /**
   * Throws a VerificationError unless the request is the sender's. Called after the token was found to be right;
   * `secrets` holds no blank.
   */
  verify?: ((request: GatewayRequest, secrets: readonly string[]) => void | Promise<void>) | undefined
  /** Throws a PayloadError when it cannot be read. Several events of one request are stored together or not at all. */
  parse(request: GatewayRequest): Draft | readonly Draft[]
}

const isFunction = (value: unknown): boolean => typeof value === 'function'

const definitionSchema = z.strictObject({
  ...gatewayShape,
  kind: z.string().min(1).describe('a name'),
  secret: secretSchema,
  methods: z
    .array(z.string().regex(/^[A-Z]+$/))
    .min(1)
    .describe("a list such as ['POST']")
    .optional(),
  needsBytes: z.boolean().describe('true or false').optional(),
  verify: z.custom(isFunction).describe('a function of the request, or nothing').optional(),
  parse: z.custom(isFunction).describe('a function of the request that returns what was in it'),
})

/** A message of 1,600 characters makes about 15 kB of form at the worst. */
const defaultMaxBytes = 64 * 1024

/** Throws an OptionsError unless something tells the sender from a stranger, or when what was meant to is blank. */
const checkCredentials = (definition: GatewayDefinition): void => {
  const { token, secret, verify, allowUnauthenticated } = definition
  const fault = (words: string) => new OptionsError('options-invalid', words)
  if (textsOf(secret).length > 0 && !verify)
    throw fault('`secret` is written, but there is no `verify` that would check anything with it')
  if (allowUnauthenticated) return
  writtenTexts(definition, 'secret')
  if (textsOf(token).length > 0 || (textsOf(secret).length > 0 && !('token' in definition))) return
  const signing = verify ? ', or what the gateway signs with as `secret`' : ''
  throw fault(
    `\`token\` is ${describeBlank(token)}; is SMS_TOKEN set? Anyone could post messages here: write a long random ` +
      `text as \`token\` and put it at the end of the URL that you give to the gateway${signing}, or write ` +
      '`allowUnauthenticated: true`',
  )
}

/** The body as JSON for `verify`: undefined when it cannot be read, which is for `parse` to say. */
export const jsonOf = ({ json }: GatewayRequest): unknown => {
  try {
    return json()
  } catch {
    return undefined
  }
}

/** Throws an OptionsError. */
export const defineGateway = (definition: GatewayDefinition): Gateway => {
  checkOptions(definitionSchema, definition)
  checkCredentials(definition)
  const { kind, verify, parse, country, tokenHeader } = definition
  const { methods = ['POST'], maxBytes = defaultMaxBytes } = definition
  const secrets = textsOf(definition.secret)
  return {
    kind,
    methods,
    maxBytes,
    needsBytes: definition.needsBytes ?? secrets.length > 0,
    tokens: textsOf(definition.token),
    tokenHeader: tokenHeader?.toLowerCase() ?? null,
    verify: (request) => verify?.(request, secrets),
    parse: (request) => {
      const drafts: unknown = parse(request)
      if (drafts instanceof Promise) {
        // Left alone, its rejection would end the host's process.
        drafts.catch(() => {})
        throw new TypeError('`parse` of a gateway must return what it read, not a promise of it')
      }
      return [drafts as Draft | readonly Draft[]].flat().map((draft) => completed(draft, country))
    },
  }
}
