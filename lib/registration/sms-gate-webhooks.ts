// Registers this app with SMS Gateway for Android: its cloud, a private server, or a phone's own server. One
// webhook there is one event for one URL.
import { z } from 'zod'
import { OptionsError } from '../errors.ts'
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
import { callRemote, type Ensured, isRecord, type Remote } from './remote.ts'
import { compare, idOf, isRows, type Place, readWebhook, type SmsGateWebhook } from './sms-gate-rows.ts'

export type { SmsGateWebhook } from './sms-gate-rows.ts'

const cloudUrl = 'https://api.sms-gate.app/3rdparty/v1'

export const smsGateEvents = [
  'sms:received',
  'sms:data-received',
  'mms:received',
  'mms:downloaded',
  'sms:sent',
  'sms:delivered',
  'sms:failed',
  'sms:cancelled',
  'system:ping',
  'app:started',
  'sms:batch:received',
  'sms:batch:data-received',
  'mms:batch:received',
  'mms:batch:downloaded',
] as const
export type SmsGateEvent = (typeof smsGateEvents)[number]

export type SmsGateWebhooksOptions = {
  /**
   * `https://<server>/api/3rdparty/v1` for a private server, `http://<phone>:8080` for a phone's own.
   * Default: the cloud.
   */
  baseUrl?: string | undefined
  /** With `password`: Basic auth. */
  username?: string | undefined
  password?: string | undefined
  /** An access token, instead of the two. */
  token?: string | undefined
  /** The longest that one call may take, in milliseconds. Default: 10,000. */
  timeoutMs?: number | undefined
}

const optionsSchema = z.strictObject({
  baseUrl: baseUrlSchema.optional(),
  username: z.string().optional().describe('a text'),
  password: z.string().optional().describe('a text'),
  token: z.string().optional().describe('a text'),
  timeoutMs: timeoutSchema.optional(),
})

const eventSchema = z.enum(smsGateEvents).describe(`one of ${smsGateEvents.join(', ')}`)
const deviceSchema = z.string().min(1).describe("a device's id")

/** One webhook: one event for one URL. */
export type NewSmsGateWebhook = {
  /** Replaces the webhook that has it. Default: made of the other three, so that doing it twice makes one. */
  id?: string | undefined
  /** The address of this app's gateway as the service sees it; the cloud takes https only. */
  url: string
  /** What is posted to it. */
  event: SmsGateEvent
  /** The only device that it is for. Default: every device of the account. */
  deviceId?: string | null | undefined
}

const newSchema = z.strictObject({
  id: idSchema.optional(),
  url: webhookUrlSchema,
  event: eventSchema,
  deviceId: deviceSchema.nullish(),
}) satisfies z.ZodType<NewSmsGateWebhook>

/** All that one URL should be posted. */
export type WantedSmsGateWebhooks = {
  /** The address of this app's gateway as the service sees it; the cloud takes https only. */
  url: string
  /** What is posted to it; each becomes a webhook. */
  events: SmsGateEvent[]
  /** The devices that they are for, one or several. Default: every device of the account. */
  deviceId?: string | string[] | null | undefined
}

const wantedSchema = z.strictObject({
  url: webhookUrlSchema,
  events: z
    .array(eventSchema)
    .min(1)
    .describe(`a list of ${smsGateEvents.join(', ')}`),
  deviceId: z
    .union([deviceSchema, z.array(deviceSchema).min(1)])
    .describe("a device's id, or a list of them")
    .nullish(),
}) satisfies z.ZodType<WantedSmsGateWebhooks>

export type SmsGateWebhooks = {
  list(): Promise<SmsGateWebhook[]>
  /** Adds a webhook, or replaces the one with this id. */
  register(webhook: NewSmsGateWebhook): Promise<SmsGateWebhook>
  /** The service takes the removal of an id that it does not know for done. */
  remove(id: string): Promise<void>
  /**
   * Makes the webhooks of `url` those that are wanted and leaves those of other URLs alone. Adds before it
   * removes, so that no message falls between; sends nothing but the question when all is right.
   */
  ensure(wanted: WantedSmsGateWebhooks): Promise<Ensured<SmsGateWebhook>>
}

const authorization = (options: SmsGateWebhooksOptions): { header: string; secrets: string[] } => {
  const token = textOf(options.token)
  const username = textOf(options.username)
  const password = textOf(options.password)
  const given = [username && '`username`', password && '`password`'].filter(Boolean)
  if (token !== '' && given.length > 0)
    throw new OptionsError('options-invalid', `\`token\` and ${given.join(' and ')} exclude each other`)
  if (token !== '') return { header: `Bearer ${checkHeader('token', token)}`, secrets: [token] }
  if (given.length < 2) {
    const missing = username === '' ? 'username' : 'password'
    const seen = options[missing] === undefined ? 'undefined' : 'empty'
    const message = `\`${missing}\` is ${seen}; write \`username\` and \`password\`, or \`token\` (is an environment variable unset?)`
    throw new OptionsError('options-invalid', message)
  }
  const basic = Buffer.from(`${username}:${password}`, 'utf8').toString('base64')
  return { header: `Basic ${basic}`, secrets: [password, basic] }
}

const placesOf = ({ url, events, deviceId }: z.output<typeof wantedSchema>): Place[] => {
  const devices = [deviceId ?? null].flat()
  return [...new Set(events)].flatMap((event) =>
    [...new Set(devices)].map((device) => ({ url, event, deviceId: device })),
  )
}

/** Lists, registers and removes webhooks of SMS Gateway for Android. Throws an OptionsError; calls nothing yet. */
export const smsGateWebhooks = (options: SmsGateWebhooksOptions): SmsGateWebhooks => {
  const { baseUrl = cloudUrl, timeoutMs = defaultTimeoutMs, ...login } = checkOptions(optionsSchema, options)
  checkBaseUrl(options)
  const { header, secrets } = authorization(login)
  const headers = { authorization: header }
  const remote: Remote = { name: 'SMS Gateway', baseUrl, headers, timeoutMs, secrets }
  const isCloud = new URL(baseUrl).host === new URL(cloudUrl).host

  const checkUrl = (url: string): void => {
    if (!isCloud || /^https:/i.test(url)) return
    throw new OptionsError('options-invalid', '`url`: the cloud takes https only; write an https URL')
  }

  const list = async () => {
    const rows = await callRemote(remote, { method: 'GET', path: '/webhooks', isAnswer: isRows })
    return (rows ?? []).flatMap(readWebhook)
  }

  const post = async (webhook: SmsGateWebhook) => {
    const { deviceId, ...body } = webhook
    await callRemote(remote, {
      method: 'POST',
      path: '/webhooks',
      body: { ...body, ...(deviceId !== null && { deviceId }) },
      secrets: [webhook.url],
      isAnswer: isRecord,
    })
    return webhook
  }

  const discard = async (id: string) => {
    await callRemote(remote, { method: 'DELETE', path: `/webhooks/${encodeURIComponent(id)}` })
  }

  return {
    list,
    register: async (webhook) => {
      const { id, deviceId = null, ...rest } = checkOptions(newSchema, webhook)
      checkUrl(rest.url)
      const place = { ...rest, deviceId }
      return post({ id: id ?? idOf(place), ...place })
    },
    remove: async (id) => discard(checkOptions(idSchema, id, 'id')),
    ensure: async (wanted) => {
      const places = placesOf(checkOptions(wantedSchema, wanted))
      checkUrl(wanted.url)
      const { kept, missing, surplus } = compare(places, await list(), wanted.url)
      const written: SmsGateWebhook[] = []
      for (const place of missing) written.push(await post({ id: idOf(place), ...place }))
      // What had one of our ids and said something else was written over.
      const isWritten = ({ id }: SmsGateWebhook) => written.some((webhook) => webhook.id === id)
      const removed = surplus.filter((webhook) => !isWritten(webhook))
      for (const { id } of removed) await discard(id)
      const isChanged = ({ id }: SmsGateWebhook) => surplus.some((webhook) => webhook.id === id)
      return {
        added: written.filter((webhook) => !isChanged(webhook)),
        changed: written.filter(isChanged),
        removed,
        kept,
      }
    },
  }
}
