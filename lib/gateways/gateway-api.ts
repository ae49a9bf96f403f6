// GatewayAPI, both ways, in both its generations: the flat JSON of the legacy API under a JSON Web Token, and the
// envelopes of the messaging API under an HMAC. One address may get both; what came tells which it is.
import { hash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { defineGateway, type GatewayOptions, gatewayShape, jsonOf } from '../define-gateway.ts'
import type { Policy } from '../delivery.ts'
import type { Draft } from '../draft.ts'
import { PayloadError, VerificationError } from '../errors.ts'
import { type Address, type EventType, eventTypes, type Media, type SmsEvent } from '../event.ts'
import { fieldsOf, numberOf, textOf, wordOf } from '../fields.ts'
import type { CarriedField, Format, Gateway, GatewayRequest } from '../gateway.ts'
import { instantOfIso, instantOfSeconds } from '../instants.ts'
import { checkOptions } from '../options.ts'
import { address } from '../phone.ts'
import { policies } from '../policies.ts'
import { type Secret, secretSchema } from '../secrets.ts'
import { signJwt, signMac, verifyFresh, verifyJwt, verifyMac } from '../signature.ts'

const hour = 3_600_000
const day = 24 * hour

export type GatewayApiOptions = GatewayOptions & {
  /**
   * What the service signs with: the token text of a legacy webhook, the key of a messaging one; a list where there
   * are several. Then every post of either generation must be signed. Default: none.
   */
  secret?: Secret
  /**
   * Refuses messaging posts signed longer ago, in milliseconds; at least a day, for which the service tries again.
   * Legacy posts do not say when. Default: 7 days, for which the store knows a repeat at the least.
   */
  toleranceMs?: number | undefined
}

const optionsSchema = z
  .strictObject({
    ...gatewayShape,
    secret: secretSchema,
    toleranceMs: z.number().min(day).describe(`milliseconds, ${day} (a day) or more`).optional(),
  })
  .describe('{ secret }')

type Fields = Readonly<Record<string, unknown>>

/** Verifying and parsing must never disagree on this. Null for what the service does not send. */
const kindOf = (body: unknown): 'messaging' | 'received' | 'status' | null => {
  const fields = fieldsOf(body)
  const has = (name: string) => Object.hasOwn(fields, name)
  if (wordOf(fields.event_id) !== null && wordOf(fields.event_type) !== null) return 'messaging'
  if (has('message') && has('receiver')) return 'received'
  if (has('status')) return 'status'
  return has('message') ? 'received' : null
}

const headerOf = ({ headers }: GatewayRequest, name: string) => [headers[name]].flat()[0]?.trim()

const verifyPost = async (request: GatewayRequest, secrets: readonly string[], toleranceMs: number) => {
  const body = jsonOf(request)
  const kind = kindOf(body)
  const mac = headerOf(request, 'signature')
  // Which proof is wanted must not be the sender's choice: the body decides, and the other header counts for
  // nothing. Only what will be refused anyway, as no post of either generation, may be proven either way.
  if (kind !== 'messaging' && (kind !== null || !mac)) {
    const token = headerOf(request, 'x-gwapi-signature')
    const claims = await verifyJwt(token, { secrets, now: request.receivedAt })
    // The claims are the data; the body is a copy of them that nobody signed.
    if (isDeepStrictEqual(claims, body)) return
    throw new VerificationError('signature-mismatch', "the body is another than the token's claims")
  }
  if (mac && !mac.startsWith('v1='))
    throw new VerificationError('signature-malformed', 'the signature does not begin with `v1=`')
  verifyMac(mac?.slice(3), { secrets, parts: [request.bytes ?? ''] })
  // A date that makes no sense is the service's own all the same, and must not cost a message.
  const sentAt = instantOfIso(fieldsOf(body).timestamp)
  if (sentAt !== null) verifyFresh(Date.parse(sentAt), request.receivedAt, toleranceMs)
}

/** Of several, the first is the one that is composed. What is not here is unknown. */
const statuses: Partial<Record<EventType, readonly string[]>> = {
  'message.delivered': ['DELIVERED', 'READ'],
  'message.sent': ['ENROUTE', 'SCHEDULED', 'BUFFERED', 'ACCEPTED'],
  'message.expired': ['EXPIRED'],
  'message.failed': ['UNDELIVERABLE', 'REJECTED', 'DELETED', 'SKIPPED'],
}

/** What either generation says of a status; a reason is such as `UNDELIVERABLE 0x0b: Unknown subscriber`. */
const reportOf = (fields: Fields) => {
  const details = fieldsOf(fields.error)
  const status = wordOf(fields.status)
  const code = wordOf(fields.code) ?? wordOf(details.hex_code)
  const error = textOf(fields.error) ?? textOf(details.details)
  const type = eventTypes.find((each) => statuses[each]?.includes(status?.toUpperCase() ?? '')) ?? 'unknown'
  const head = [status, code].filter(Boolean).join(' ')
  const isFine = type === 'message.sent' || type === 'message.delivered'
  const reason = isFine ? null : [head, error].filter(Boolean).join(': ') || null
  return { draft: { type, reason }, words: { status, code, error } }
}

/** Numbers have their country's code here; the `country` option is for those that make no sense with one. */
const addressOf = (value: unknown): Address | string | null => {
  const text = textOf(value)
  const found = text === null ? null : address(text)
  return found?.kind === 'e164' ? found : text
}

/** Null beyond 2^53, where several ids are one in JavaScript, and no message must pass for a repeat of another. */
const idOf = (value: unknown): string | null =>
  typeof value === 'number' && !Number.isSafeInteger(value) ? null : wordOf(value)

const receivedDraft = (body: Fields): Draft => ({
  identity: idOf(body.id),
  // A text sender is given only where it is what the message came from.
  from: addressOf(wordOf(body.sender) === null ? body.msisdn : body.sender),
  to: addressOf(body.receiver),
  text: textOf(body.message),
  messageId: idOf(body.id),
  occurredAt: instantOfSeconds(body.senttime),
  raw: body,
})

const statusDraft = (body: Fields): Draft => {
  const parts = [idOf(body.id), ...[body.msisdn, body.status, body.time].map(textOf)]
  return {
    ...reportOf(body).draft,
    identity: parts[0] === null ? null : JSON.stringify(parts),
    to: addressOf(body.msisdn),
    messageId: idOf(body.id),
    occurredAt: instantOfSeconds(body.time),
    raw: body,
  }
}

/** What a file's `payload` is like is not documented: a URL, or its fields, as RCS spells them or as Python would. */
const mediaOf = (payload: unknown): Media[] => {
  const fields = fieldsOf(payload)
  const either = (...names: string[]) => names.map((name) => wordOf(fields[name])).find(Boolean) ?? null
  const url = wordOf(payload) ?? either('file_uri', 'fileUri', 'file_url', 'fileUrl', 'url', 'uri')
  if (url === null || !/^https?:\/\//i.test(url)) return []
  const contentType = either('mime_type', 'mimeType', 'content_type') ?? 'application/octet-stream'
  const bytes = numberOf(either('file_size_bytes', 'fileSizeBytes', 'size')) ?? -1
  const size = Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : null
  return [{ contentType, name: either('file_name', 'fileName', 'name'), size, data: null, url }]
}

const messagingDraft = (body: Fields): Draft => {
  const event = fieldsOf(body.event)
  const content = fieldsOf(event.content)
  const draft = {
    identity: wordOf(body.event_id) ?? '',
    from: addressOf(event.sender),
    to: addressOf(event.recipient),
    messageId: wordOf(event.msg_id),
    occurredAt: [event.sent_at, event.status_at, body.timestamp].map(instantOfIso).find(Boolean),
    raw: body,
  }
  const { latitude, longitude, message, payload } = content
  const isPlace = numberOf(latitude) !== null && numberOf(longitude) !== null // Written as RFC 5870 has it.
  const kind = wordOf(body.event_type) ?? ''
  const isMessage = (name: string) => kind.startsWith(`user-message.${name}.`)
  if (isMessage('text')) return { ...draft, text: textOf(event.content) ?? textOf(message) }
  if (isMessage('location')) return { ...draft, text: isPlace ? `geo:${latitude},${longitude}` : null }
  if (isMessage('file')) return { ...draft, media: mediaOf(payload) }
  // One page of the documentation writes `messaging.status`.
  if (/^messag(e|ing)\.status\./.test(kind)) return { ...draft, ...reportOf(event).draft }
  return { ...draft, type: 'unknown' }
}

const drafts = { messaging: messagingDraft, received: receivedDraft, status: statusDraft }

/** Takes the posts of GatewayAPI. Throws an OptionsError. */
export const gatewayApi = (options: GatewayApiOptions = {}): Gateway => {
  const { toleranceMs = 7 * day, ...rest } = checkOptions(optionsSchema, options)
  return defineGateway({
    kind: 'gatewayApi',
    maxBytes: 1024 * 1024, // An RCS file's preview may be inline; that is not documented.
    ...rest,
    verify: async (request, secrets) => {
      if (secrets.length > 0) await verifyPost(request, secrets, toleranceMs)
    },
    parse: (request) => {
      const body = request.json()
      const kind = kindOf(body)
      if (kind !== null) return drafts[kind](fieldsOf(body))
      throw new PayloadError('body-unreadable', 'the body is neither a message nor a status of GatewayAPI')
    },
  })
}

/** A whole number, as the service writes them; what is none, such as a name or 0412, stays a text. */
const numberOn = (side: Address | null): number | string | null => {
  const digits = side?.e164?.slice(1) ?? side?.raw ?? null
  return digits !== null && /^[1-9]\d{0,14}$/.test(digits) ? Number(digits) : digits
}

/** The service's own words where it reported the event itself, else what says the same. */
const wordsOf = ({ raw, type, reason }: SmsEvent) => {
  const { draft, words } = reportOf(fieldsOf(kindOf(raw) === 'messaging' ? fieldsOf(raw).event : raw))
  if (words.status !== null && draft.type === type) return words
  return { status: statuses[type]?.[0] ?? 'UNKNOWN', code: null, error: reason }
}

const legacyBody = (event: SmsEvent, serviceId: string | null) => {
  const { type, id: ours, messageId, identity, from, to, text, occurredAt, receivedAt, raw } = event
  const isReceived = type === 'message.received'
  // Readers know a received message by its id, and those of some gateways collide.
  const fits = /^(0|[1-9]\d{0,14})$/.test(messageId ?? '') && (!isReceived || identity === messageId)
  const id = fits ? Number(messageId) : Number.parseInt(hash('sha256', ours).slice(0, 12), 16)
  const seconds = Math.floor(Date.parse(occurredAt ?? receivedAt) / 1_000)
  const said = fieldsOf(kindOf(raw) === (isReceived ? 'received' : 'status') ? raw : null)
  const more = (names: string) =>
    Object.fromEntries(names.split(' ').map((name) => [name, said[name] ?? null]))
  if (!isReceived) {
    const { status, error, code } = wordsOf(event)
    const head = { id, msisdn: numberOn(to), time: seconds, status, error, code }
    // The reader's own reference; an id that is no number could not come across otherwise.
    const userref = said.userref ?? (fits ? null : messageId)
    return { ...head, userref, ...more('charge_status country_code country_prefix') }
  }
  const number = numberOn(from)
  const [msisdn, sender] = typeof number === 'string' ? [said.msisdn ?? null, number] : [number, null]
  const head = { id, msisdn, receiver: numberOn(to), message: text ?? '', senttime: seconds }
  const rest = more('mcc mnc validity_period encoding udh payload country_code country_prefix')
  return { ...head, webhook_label: said.webhook_label ?? serviceId ?? '', sender, ...rest }
}

/** With six digits of a fraction, as Python writes it. */
const microseconds = (iso: string): string => iso.replace(/Z$/, '000Z')

const envelope = (event: SmsEvent, now: number) => {
  const { type, id, messageId, from, to, text, occurredAt, receivedAt, raw } = event
  const head = { event_id: id, timestamp: microseconds(new Date(now).toISOString()) }
  const msg_id = messageId ?? id
  const at = microseconds(occurredAt ?? receivedAt)
  if (type === 'message.received') {
    const content = { message: text ?? '', encoding: null, header: null }
    const received = { msg_id, sender: numberOn(from), sent_at: at, content }
    return { ...head, event_type: 'user-message.text.sms', event: received }
  }
  const { status, code, error } = wordsOf(event)
  const fault = code === null && error === null ? null : { hex_code: code, details: error }
  const reference = fieldsOf(fieldsOf(raw).event).reference ?? null
  // Nobody knows whether an SMS was read.
  const event_type = status === 'READ' ? 'message.status.rcs' : 'message.status.sms'
  const said = { msg_id, recipient: numberOn(to), reference, status, status_at: at, error: fault }
  return { ...head, event_type, event: said }
}

const status = ['to', 'messageId', 'occurredAt'] as const
const carried = (...more: CarriedField[]): Format['carries'] => ({
  ...Object.fromEntries([...Object.keys(statuses), 'unknown'].map((type) => [type, status])),
  'message.received': ['from', 'text', 'intent', 'messageId', 'occurredAt', ...more],
})

/** 2xx within 5 s and exponential over at least a day are documented; the figures are ours, 24.8 h in all. */
const policy: Policy = {
  ...policies.sms,
  tries: 22,
  delaysMs: Array.from({ length: 21 }, (_, n) => Math.min(10_000 * 2 ** n, 2 * hour)),
  success: '2xx',
  retryAfterMaxMs: hour,
}

/** What the legacy API posts; unsigned without a secret, as there. Whole seconds, and ids only if whole numbers. */
export const gatewayApiFormat = {
  name: 'gatewayApi',
  carries: carried('identity', 'to'),
  policy,
  secretsFault: () => null,
  compose: async (event, { serviceId, secrets: [secret] }) => {
    const claims = legacyBody(event, serviceId)
    const body = JSON.stringify(claims)
    const signature = secret && { 'x-gwapi-signature': await signJwt(claims, secret) }
    return { method: 'POST', headers: { 'content-type': 'application/json', ...signature }, body }
  },
} satisfies Format

/** What the messaging API posts; unsigned without a secret, as there. It has no room for who received a message. */
export const gatewayApiMessagingFormat = {
  name: 'gatewayApiMessaging',
  carries: carried(),
  policy,
  secretsFault: () => null,
  compose: (event, { secrets: [secret], now }) => {
    const body = JSON.stringify(envelope(event, now))
    const signature = secret && { signature: `v1=${signMac(secret, { parts: [body] })}` }
    return { method: 'POST', headers: { 'content-type': 'application/json', ...signature }, body }
  },
} satisfies Format
