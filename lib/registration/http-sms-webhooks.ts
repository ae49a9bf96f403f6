// Registers this app with httpSMS: its cloud, or a server of one's own. One webhook there is one URL with
// all its events, the numbers it is for and the key that its posts are signed with.
import { z } from 'zod'
import { OptionsError, RegistrationError } from '../errors.ts'
import { checkOptions } from '../options.ts'
import {
  baseUrlSchema,
  checkBaseUrl,
  checkHeader,
  defaultTimeoutMs,
  idSchema,
  textOf,
  timeoutSchema,
  webhookUrlSchema,
} from './checks.ts'
import { type HttpSmsWebhook, isList, isRight, isWebhook, readWebhook, withoutKey } from './http-sms-rows.ts'
import { callRemote, type Ensured, type Remote } from './remote.ts'

export type { HttpSmsWebhook } from './http-sms-rows.ts'

const cloudUrl = 'https://api.httpsms.com'

export const httpSmsEvents = [
  'message.phone.received',
  'message.phone.sent',
  'message.phone.delivered',
  'message.send.failed',
  'message.send.expired',
  'message.call.missed',
  'phone.heartbeat.offline',
  'phone.heartbeat.online',
] as const
export type HttpSmsEvent = (typeof httpSmsEvents)[number]

export type HttpSmsWebhooksOptions = {
  /** From the settings page of the account. */
  apiKey: string | undefined
  /** A server of one's own, without `/v1`. Default: https://api.httpsms.com */
  baseUrl?: string | undefined
  /** The longest that one call may take, in milliseconds. Default: 10,000. */
  timeoutMs?: number | undefined
}

const optionsSchema = z.strictObject({
  apiKey: z.string().optional().describe('the key as a text'),
  baseUrl: baseUrlSchema.optional(),
  timeoutMs: timeoutSchema.optional(),
})

const isE164 = (number: string): boolean => /^\+[1-9]\d{6,14}$/.test(number)

/** What the one webhook of a URL should be. */
export type WantedHttpSmsWebhook = {
  /** The address of this app's gateway as the service sees it. */
  url: string
  /** What the service signs its posts with; the gateway's `secret`. */
  signingKey: string | undefined
  /** What is posted to it. */
  events: HttpSmsEvent[]
  /** Numbers of the account, in E.164. */
  phoneNumbers: string[]
}

/** A webhook to add, or to write in the place of another. */
export type NewHttpSmsWebhook = WantedHttpSmsWebhook & {
  /** Replaces the webhook that has it. Default: adds one. */
  id?: string | undefined
}

const wantedSchema = z.strictObject({
  url: webhookUrlSchema,
  signingKey: z
    .string()
    .transform((key) => key.trim())
    .pipe(z.string().min(1))
    .describe("the gateway's `secret` (is an environment variable unset?)"),
  events: z
    .array(z.enum(httpSmsEvents))
    .min(1)
    .describe(`a list of ${httpSmsEvents.join(', ')}`),
  // The service knows its numbers in this form only, and says of any other that the account lacks it.
  phoneNumbers: z
    .array(z.string().refine(isE164, 'not a number in E.164; write one such as +61412345678'))
    .min(1)
    .describe("a list of the account's numbers, such as ['+61412345678']"),
}) satisfies z.ZodType<unknown, WantedHttpSmsWebhook>
type Wanted = z.output<typeof wantedSchema>

const newSchema = wantedSchema.extend({ id: idSchema.optional() }) satisfies z.ZodType<
  unknown,
  NewHttpSmsWebhook
>

export type HttpSmsWebhooks = {
  list(): Promise<HttpSmsWebhook[]>
  /** Adds a webhook, or replaces the one with this id. */
  register(webhook: NewHttpSmsWebhook): Promise<HttpSmsWebhook>
  /** Throws `registration-unknown` when there is none. */
  remove(id: string): Promise<void>
  /**
   * Makes the one webhook of `url` what is wanted and leaves those of other URLs alone; sends nothing but the
   * question when all is right. A key that the service does not show is taken for right.
   */
  ensure(wanted: WantedHttpSmsWebhook): Promise<Ensured<HttpSmsWebhook>>
}

const keyOf = ({ apiKey }: HttpSmsWebhooksOptions): string => {
  const key = textOf(apiKey)
  if (key !== '') return checkHeader('apiKey', key)
  const seen = apiKey === undefined ? 'undefined' : 'empty'
  const advice = 'is HTTPSMS_API_KEY set? Write the key that the settings page of httpSMS shows'
  throw new OptionsError('options-invalid', `\`apiKey\` is ${seen}; ${advice}`)
}

const isUnknown = (error: unknown): boolean =>
  error instanceof RegistrationError && error.code === 'registration-unknown'

/** Lists, registers and removes webhooks of httpSMS. Throws an OptionsError; calls nothing yet. */
export const httpSmsWebhooks = (options: HttpSmsWebhooksOptions): HttpSmsWebhooks => {
  const { baseUrl = cloudUrl, timeoutMs = defaultTimeoutMs, ...login } = checkOptions(optionsSchema, options)
  checkBaseUrl(options)
  const apiKey = keyOf({ apiKey: login.apiKey })
  const headers = { 'x-api-key': apiKey }
  const remote: Remote = { name: 'httpSMS', baseUrl, headers, timeoutMs, secrets: [apiKey] }
  const pathOf = (id: string): string => `/v1/webhooks/${encodeURIComponent(id)}`

  const listAll = async () => {
    // 100 is the most it gives; without a limit it gives one.
    const path = '/v1/webhooks?limit=100'
    const { data } = await callRemote(remote, { method: 'GET', path, isAnswer: isList })
    return (data ?? []).flatMap(readWebhook)
  }

  /** It answers 500 for an id that it does not have; whether that is why, the list tells. */
  const unlessUnknown = async <Result>(id: string, call: () => Promise<Result>): Promise<Result> => {
    try {
      return await call()
    } catch (error) {
      const { status } = error as RegistrationError
      if ((status !== 500 && status !== 404) || (await listAll()).some((webhook) => webhook.id === id))
        throw error
      const message = 'httpSMS has no webhook with this id; `list` shows those of the account'
      throw new RegistrationError('registration-unknown', message, { status, cause: error })
    }
  }

  /** Without `signing_key` in it, a PUT would clear the key. */
  const write = async (id: string | undefined, { url, signingKey, events, phoneNumbers }: Wanted) => {
    const { data } = await callRemote(remote, {
      ...(id === undefined
        ? { method: 'POST' as const, path: '/v1/webhooks' }
        : { method: 'PUT' as const, path: pathOf(id) }),
      body: { url, signing_key: signingKey, events, phone_numbers: phoneNumbers },
      secrets: [url, signingKey],
      isAnswer: isWebhook,
    })
    return withoutKey(readWebhook(data)[0]!)
  }

  const discard = (id: string): Promise<void> =>
    unlessUnknown(id, () => callRemote(remote, { method: 'DELETE', path: pathOf(id) }))

  /** Another process may have been quicker. */
  const discardIfThere = async (id: string): Promise<void> => {
    try {
      await discard(id)
    } catch (error) {
      if (!isUnknown(error)) throw error
    }
  }

  return {
    list: async () => (await listAll()).map(withoutKey),
    register: async (webhook) => {
      const { id, ...wanted } = checkOptions(newSchema, webhook)
      return id === undefined ? write(id, wanted) : unlessUnknown(id, () => write(id, wanted))
    },
    remove: async (id) => discard(checkOptions(idSchema, id, 'id')),
    ensure: async (options) => {
      const wanted = checkOptions(wantedSchema, options)
      const present = (await listAll()).filter(({ url }) => url === wanted.url)
      const sorted = present.toSorted((a, b) => (a.id < b.id ? -1 : 1))
      const right = sorted.find((webhook) => isRight(webhook, wanted))
      const chosen = right ?? sorted[0]
      const written = right ? [] : [await write(chosen?.id, wanted)]
      const removed = present.filter((webhook) => webhook !== chosen).map(withoutKey)
      for (const { id } of removed) await discardIfThere(id)
      return {
        added: chosen ? [] : written,
        changed: chosen ? written : [],
        removed,
        kept: right ? [withoutKey(right)] : [],
      }
    },
  }
}
