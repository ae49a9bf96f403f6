// httpSMS (the cloud, or a server of one's own), both ways: the CloudEvents that it posts with a token which says
// who posts them, and the same events as it would post them. Registering with it is in registration/.
import { isUtf8 } from 'node:buffer'
import { createDecipheriv, hash } from 'node:crypto'
import { validate as isUuid } from 'uuid'
import { z } from 'zod'
import { defineGateway, type GatewayOptions, gatewayShape } from '../define-gateway.ts'
import type { Policy } from '../delivery.ts'
import type { Draft } from '../draft.ts'
import { OptionsError, PayloadError } from '../errors.ts'
import { type EventType, type Media, ourSide, type SmsEvent } from '../event.ts'
import { fieldsOf, listOf, numberOf, textOf, wordOf } from '../fields.ts'
import type { ComposeContext, Format, Gateway } from '../gateway.ts'
import { instantOfIso } from '../instants.ts'
import { jsonText } from '../json-text.ts'
import { checkOptions } from '../options.ts'
import { addressText } from '../phone.ts'
import { policies } from '../policies.ts'
import { type Secret, secretSchema, writtenTexts } from '../secrets.ts'
import { signJwt, verifyJwt } from '../signature.ts'

const cloudIssuer = 'api.httpsms.com'

/** Its clock and ours may differ; the tokens are valid from ten minutes before until ten minutes after. */
const defaultLeewayMs = 60_000

/** Its token says who posts, but does not cover what is posted: https is what protects that. */
export type HttpSmsOptions = GatewayOptions & {
  /** The signing key of the webhook there. Default: posts are not signed; write a `token`. */
  secret?: Secret
  /** The webhook's URL exactly as it is registered there; a token for another is refused. Default: not checked. */
  audience?: Secret
  /** Who makes the tokens, for a server of one's own. Default: `api.httpsms.com`. */
  issuer?: string | undefined
  /** How far a token may be out of its time, in milliseconds, for clocks that differ. Default: 60,000. */
  leewayMs?: number | undefined
  /** What the phone encrypts with; the first that fits reads a text. Default: such texts stay encrypted. */
  password?: Secret
}

const optionsSchema = z
  .strictObject({
    ...gatewayShape,
    secret: secretSchema,
    audience: secretSchema,
    issuer: z.string().min(1).describe("a text such as 'api.httpsms.com'").optional(),
    leewayMs: z.number().int().nonnegative().describe('milliseconds').optional(),
    password: secretSchema,
  })
  .describe('{ secret }')

/** Throws an OptionsError. Spaces are part of a password, other than of a secret. */
const passwordsOf = (options: HttpSmsOptions): string[] => {
  writtenTexts(options, 'password')
  return [options.password].flat().flatMap((text) => (text?.trim() ? text.replace(/[\r\n]+$/, '') : []))
}

/** Every kind that it posts, ours, and the path of its server where it came in. */
const kinds = [
  { name: 'message.phone.received', type: 'message.received', source: '/v1/messages/receive' },
  { name: 'message.phone.sent', type: 'message.sent', source: '/v1/messages/:id/events' },
  { name: 'message.phone.delivered', type: 'message.delivered', source: '/v1/messages/:id/events' },
  { name: 'message.send.failed', type: 'message.failed', source: '/v1/messages/:id/events' },
  { name: 'message.send.expired', type: 'message.expired', source: '/v1/messages/send' },
  { name: 'message.call.missed', type: 'call.missed', source: '/v1/messages/calls/missed' },
  { name: 'phone.heartbeat.offline', type: 'device.offline', source: '/v1/heartbeats' },
  { name: 'phone.heartbeat.online', type: 'device.online', source: '/v1/heartbeats' },
] as const

/** NUL, tabs and the ends of lines and pages occur in messages; other control characters are a wrong password's. */
const unlikely = /[\x01-\x08\x0b\x0e-\x1f\x7f]/

/**
 * Null when the password is not the one. AES-CFB has no checksum and makes random bytes of a wrong password,
 * which are told by not being UTF-8. By chance they are: 1 time in 12 for three bytes, in 50 for five, in 10,000
 * for twelve (measured), so that a very short text may come out as nonsense.
 */
const decrypted = (content: string, password: string): string | null => {
  const bytes = Buffer.from(content, 'base64')
  if (bytes.length < 16 || !/^[A-Za-z0-9+/]+={0,2}$/.test(content.replace(/\s+/g, ''))) return null
  const decipher = createDecipheriv('aes-256-cfb', hash('sha256', password, 'buffer'), bytes.subarray(0, 16))
  const plain = Buffer.concat([decipher.update(bytes.subarray(16)), decipher.final()])
  const text = plain.toString()
  return isUtf8(plain) && !unlikely.test(text) ? text : null
}

type Fields = Readonly<Record<string, unknown>>

const flagOf = (value: unknown): boolean | null =>
  [true, 'true', 1, '1'].includes(value as never) ||
  ([false, 'false', 0, '0'].includes(value as never) ? false : null)

const contentOf = (data: Fields, passwords: readonly string[]): Partial<Draft> => {
  const text = textOf(data.content)
  if (!text || !flagOf(data.encrypted)) return { text }
  for (const password of passwords) {
    const plain = decrypted(text, password)
    if (plain !== null) return { text: plain, notes: ['decrypted'] }
  }
  return { text, encrypted: true }
}

const lastPart = (url: string): string | null => {
  const part = URL.canParse(url) ? new URL(url).pathname.split('/').at(-1) || null : null
  try {
    return part && decodeURIComponent(part)
  } catch {
    return part
  }
}

/** An attachment is a URL, and nothing is said of what is there. */
const mediaOf = (attachment: unknown): Media[] => {
  const fields = fieldsOf(attachment)
  const url = wordOf(typeof attachment === 'string' ? attachment : fields.url)
  if (url === null || !/^https?:/i.test(url)) return []
  const contentType = wordOf(fields.content_type) ?? 'application/octet-stream'
  return [{ contentType, name: wordOf(fields.name) ?? lastPart(url), size: null, data: null, url }]
}

const reasonOf = (type: EventType, name: string, data: Fields): string | null => {
  const count = wordOf(data.send_attempt_count)
  const isFinal = flagOf(data.is_final)
  const words = [
    type === 'unknown' && name,
    // It also says `expired` of each attempt that another one follows.
    type === 'message.expired' && count !== null && `send attempt ${count}`,
    type === 'message.expired' && isFinal !== null && (isFinal ? 'final' : 'not final'),
    textOf(data.error_message),
  ]
  return words.filter(Boolean).join(', ') || null
}

const draftOf = (body: unknown, passwords: readonly string[]): Draft => {
  const event = fieldsOf(body)
  const data = fieldsOf(event.data)
  const [identity, name] = [wordOf(event.id), wordOf(event.type)]
  if (identity === null || name === null)
    throw new PayloadError('body-unreadable', 'the body is no CloudEvent: it has no `id` or no `type`')
  const type = kinds.find((kind) => kind.name === name)?.type ?? 'unknown'
  const [owner, contact] = [textOf(data.owner), textOf(data.contact)]
  return {
    identity,
    type,
    ...(ourSide(type) === 'to' ? { from: contact, to: owner } : { from: owner, to: contact }),
    ...contentOf(data, passwords),
    media: listOf(data.attachments).flatMap(mediaOf),
    messageId: wordOf(data.message_id) ?? wordOf(data.id),
    reason: reasonOf(type, name, data),
    // `time` is when its server heard of it.
    occurredAt: instantOfIso(data.timestamp) ?? instantOfIso(event.time),
    raw: body,
  }
}

/**
 * Takes the posts of httpSMS. Throws an OptionsError.
 *
 * Whoever gets hold of a token can post anything with it until it expires, ten minutes after it was made: use https.
 */
export const httpSms = (options: HttpSmsOptions = {}): Gateway => {
  const checked = checkOptions(optionsSchema, options)
  const { audience: _, password: _1, issuer = cloudIssuer, leewayMs = defaultLeewayMs, ...rest } = checked
  const audience = 'audience' in options ? writtenTexts(options, 'audience') : undefined
  const passwords = passwordsOf(options)
  if (audience && !('secret' in options))
    throw new OptionsError('options-invalid', '`audience` is in signed tokens only; write the `secret` too')
  return defineGateway({
    kind: 'httpSms',
    ...rest,
    // The token does not cover them.
    needsBytes: false,
    verify: async ({ headers, receivedAt }, secrets) => {
      if (secrets.length === 0) return
      const token = /^bearer +(\S+)$/i.exec(String(headers.authorization))?.[1]
      const required = ['iss', 'exp', 'nbf']
      await verifyJwt(token, { secrets, now: receivedAt, issuer, audience, required, leewayMs })
    },
    parse: (request) => draftOf(request.json(), passwords),
  })
}

const uuidOf = (value: unknown): string | null => (isUuid(wordOf(value)) ? wordOf(value) : null)

/** What Go makes of an id that nobody has set. */
const noUuid = '00000000-0000-0000-0000-000000000000'

/** As Go writes times, without the zeros at the end; the first that makes sense. */
const goTime = (...instants: unknown[]): string =>
  String(instants.map(instantOfIso).find((instant) => instant !== null)).replace(/\.?0*Z$/, 'Z')

/** As Go writes JSON. */
const goJson = { escaped: /[<>&\u2028\u2029]/g, half: '\ufffd' }

const valuesOf = (event: SmsEvent, { serviceId, now }: ComposeContext) => {
  const { from, to, messageId, occurredAt, receivedAt } = event
  const { specversion, data } = fieldsOf(event.raw)
  // What httpSMS itself said, where the event came from there.
  const said = fieldsOf(specversion === undefined ? undefined : data)
  const isToUs = ourSide(event.type) === 'to'
  // Its ids are UUIDs; those of other gateways are short and collide.
  const id = uuidOf(messageId) ?? event.id
  const timestamp = goTime(occurredAt, receivedAt, new Date(now).toISOString())
  return {
    id,
    message_id: id,
    user_id: wordOf(said.user_id) ?? serviceId ?? '',
    request_id: textOf(said.request_id),
    owner: addressText(isToUs ? to : from),
    contact: addressText(isToUs ? from : to),
    sim: wordOf(said.sim) ?? 'SIM1',
    content: event.text ?? '',
    encrypted: event.encrypted,
    attachments: event.media.flatMap(({ url }) => url ?? []),
    error_message: event.reason ?? '',
    send_attempt_count: numberOf(said.send_attempt_count) ?? 1,
    is_final: flagOf(said.is_final) ?? true,
    phone_id: uuidOf(said.phone_id) ?? noUuid,
    monitor_id: uuidOf(said.monitor_id) ?? noUuid,
    last_heartbeat_timestamp: goTime(said.last_heartbeat_timestamp, timestamp),
    timestamp,
  }
}

/** What it says of each kind, in the order in which its server does. */
const fields: Record<(typeof kinds)[number]['type'], string> = {
  'message.received': 'message_id user_id owner encrypted contact timestamp content sim attachments',
  'message.sent': 'id user_id request_id owner contact encrypted timestamp content sim',
  'message.delivered': 'id owner contact request_id user_id encrypted timestamp content sim',
  'message.failed': 'id error_message user_id owner request_id contact timestamp encrypted content sim',
  'message.expired':
    'message_id owner send_attempt_count is_final request_id contact encrypted user_id timestamp content sim',
  'call.missed': 'message_id user_id owner contact timestamp sim',
  'device.offline': 'phone_id user_id last_heartbeat_timestamp timestamp monitor_id owner',
  'device.online': 'phone_id user_id last_heartbeat_timestamp timestamp monitor_id owner',
}

const headersOf = async (name: string, sub: string, { url, secrets: [secret], now }: ComposeContext) => {
  const headers: Record<string, string> = { 'content-type': 'application/json', 'x-event-type': name }
  if (secret === undefined) return headers
  const iat = Math.floor(now / 1_000)
  const claims = { iss: cloudIssuer, ...(sub && { sub }), aud: [url], exp: iat + 600, nbf: iat - 600, iat }
  return { ...headers, authorization: `Bearer ${await signJwt(claims, secret)}` }
}

const { sms } = policies

const message = ['identity', 'from', 'to', 'text', 'encrypted', 'messageId', 'occurredAt'] as const
const device = ['identity', 'from', 'occurredAt'] as const

/** Its own events. Media come across only as the URLs that they have. */
export const httpSmsFormat = {
  name: 'httpSms',
  carries: {
    'message.received': [...message, 'intent'],
    'message.sent': message,
    'message.delivered': message,
    'message.failed': [...message, 'reason'],
    'message.expired': message,
    'call.missed': ['identity', 'from', 'to', 'messageId', 'occurredAt'],
    'device.offline': device,
    'device.online': device,
  },
  // "At least 1 s apart" is documented; that the waits double, and that no answer at all is like a 5xx, is ours.
  policy: { ...sms, tries: 5, delaysMs: [1_000, 2_000, 4_000, 8_000], success: '2xx', endOn: ['3xx', '4xx'] },
  // Without a signing key it posts no token.
  secretsFault: () => null,
  compose: async (event, context) => {
    const { name, type, source } = kinds.find((kind) => kind.type === event.type)!
    const values: Fields & ReturnType<typeof valuesOf> = valuesOf(event, context)
    const body = jsonText(
      {
        specversion: '1.0',
        id: uuidOf(event.identity) ?? event.id,
        source: source.replace(':id', values.id),
        type: name,
        datacontenttype: 'application/json',
        time: goTime(event.receivedAt, values.timestamp),
        data: Object.fromEntries(fields[type].split(' ').map((field) => [field, values[field]])),
      },
      goJson,
    )
    return { method: 'POST', headers: await headersOf(name, values.user_id, context), body }
  },
} satisfies Format

/** What its source does: it waits 100 to 200 ms, whatever the answer asks for, and is content with a redirect. */
export const httpSmsCurrent: Policy = {
  ...sms,
  tries: 2,
  delaysMs: [150],
  success: '<400',
  retryAfterMaxMs: 0,
}
