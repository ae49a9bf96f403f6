// SMS Gateway for Android, both ways: what the phone posts for each event and how it signs that, and the same posts
// as it would make them. Registering webhooks with it is in registration/.
import { hash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { defineGateway, type GatewayOptions, gatewayShape, jsonOf } from '../define-gateway.ts'
import type { Policy } from '../delivery.ts'
import type { Draft } from '../draft.ts'
import { PayloadError, VerificationError } from '../errors.ts'
import type { EventType, Media, SmsEvent } from '../event.ts'
import { fieldsOf, listOf, numberOf, textOf, wordOf } from '../fields.ts'
import type { Format, Gateway, GatewayRequest, OutboundRequest } from '../gateway.ts'
import { instantOfIso } from '../instants.ts'
import { jsonText } from '../json-text.ts'
import { checkOptions } from '../options.ts'
import { addressText } from '../phone.ts'
import { policies } from '../policies.ts'
import { type Secret, secretSchema, textsOf } from '../secrets.ts'
import { signMac, verifyFresh, verifyMac } from '../signature.ts'

type SecretOfDevice = (deviceId: string) => Secret | null | Promise<Secret | null>
type IdentifyBy = 'id' | 'message'

export type SmsGateOptions = GatewayOptions & {
  /**
   * The phone's signing key. A function is asked for that of a device, whose id is what an unproven sender says it
   * is: nothing means that there is none (401); if it throws, the phone is told to try again (503). Default: none.
   */
  secret?: Secret | SecretOfDevice
  /** How far the phone's clock may be off, in milliseconds; false: any time will do. Default: 300,000. */
  toleranceMs?: number | false | undefined
  /**
   * `message`: what a device received under the same `messageId` and `receivedAt` is one message; some versions of
   * the app post an SMS twice under two ids. But a `messageId` is a short hash and may collide. Default: `id`.
   */
  identifyBy?: IdentifyBy | undefined
}

const optionsSchema = z
  .strictObject({
    ...gatewayShape,
    secret: z
      .union([secretSchema, z.custom<SecretOfDevice>((value) => typeof value === 'function')])
      .describe("a text, a list of texts, or a function of the device's id")
      .optional(),
    toleranceMs: z.literal(false).or(z.number().int().min(1)).describe('milliseconds, or false').optional(),
    identifyBy: z.enum(['id', 'message']).describe("'id' or 'message'").optional(),
  })
  .describe('{ secret }')

/** What the phone writes for a sender that it does not know. */
const nobody = 'unknown'
/** The reason of a message that was taken back; the phone gives none. */
const cancelled = 'cancelled'
/** Marks the announcement of an MMS: what is in it comes in a post of its own, if at all. */
const noticeNote = 'mms-notice'
const octets = 'application/octet-stream'

type Fields = Readonly<Record<string, unknown>>
type Content = Omit<Draft, 'identity' | 'raw'>

/** A text as it came; null for a blank one, which says no more than none. */
const named = (value: unknown): string | null => (wordOf(value) === null ? null : textOf(value))

const binaryOf = (data: unknown): Media[] => {
  if (typeof data !== 'string') return []
  return [{ contentType: octets, name: null, size: Buffer.from(data, 'base64').length, data, url: null }]
}

const attachmentOf = (item: unknown): Media => {
  const { contentType, name, size, data, url } = fieldsOf(item)
  const bytes = numberOf(size) ?? -1
  return {
    contentType: named(contentType) ?? octets,
    name: named(name),
    size: Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : null,
    data: typeof data === 'string' ? data : null,
    url: named(url),
  }
}

/** The subject goes in front of the text, unless it says the same. */
const readMms = ({ subject: title, body, attachments }: Fields): Content => {
  const [subject, text] = [textOf(title), textOf(body)]
  const both = subject && text && subject !== text ? `${subject}\n\n${text}` : null
  return { text: both ?? (text || (subject ?? text)), media: listOf(attachments).map(attachmentOf) }
}

const numbersOf = (simCards: unknown): string[] =>
  listOf(simCards).flatMap((card) => named(fieldsOf(card).phoneNumber) ?? [])

const come = ['message.received', 'receivedAt'] as const

/** For each event: ours, the field with its time, and what else is in its payload. */
const kinds = new Map<string, readonly [type: EventType, at: string, read?: (payload: Fields) => Content]>([
  ['sms:received', [...come, ({ message }) => ({ text: textOf(message) })]],
  ['sms:data-received', [...come, ({ data }) => ({ media: binaryOf(data) })]],
  ['mms:received', [...come, ({ subject }) => ({ text: textOf(subject), notes: [noticeNote] })]],
  ['mms:downloaded', [...come, readMms]],
  ['sms:sent', ['message.sent', 'sentAt']],
  ['sms:delivered', ['message.delivered', 'deliveredAt']],
  ['sms:failed', ['message.failed', 'failedAt', ({ reason }) => ({ reason: named(reason) })]],
  ['sms:cancelled', ['message.failed', 'cancelledAt', () => ({ reason: cancelled })]],
  ['system:ping', ['device.ping', '']],
  ['app:started', ['device.online', '', ({ simCards }) => ({ from: numbersOf(simCards)[0] })]],
])

const contentOf = (event: string, payload: Fields): Content => {
  const messageId = named(payload.messageId)
  const kind = kinds.get(event)
  if (!kind) return { type: 'unknown', messageId }
  const [type, at, read] = kind
  const [sender, recipient, other] = [payload.sender, payload.recipient, payload.phoneNumber].map(named)
  const isReceived = type === 'message.received'
  const from = isReceived ? (sender ?? other) : sender
  return {
    type,
    from: isReceived && from === nobody ? null : from,
    to: isReceived ? recipient : (recipient ?? other),
    messageId,
    occurredAt: instantOfIso(payload[at]),
    ...read?.(payload),
  }
}

const digestOf = (value: unknown): string => hash('sha256', JSON.stringify(value), 'hex').slice(0, 32)

/** Ten times what a phone puts into a batch. A body of millions would hold up the process. */
const mostMessages = 1_000

/** Throws a PayloadError for what no phone posts. */
const draftsOf = (body: unknown, identifyBy: IdentifyBy): Draft[] => {
  const envelope = fieldsOf(body)
  const whole = fieldsOf(envelope.payload)
  const event = wordOf(envelope.event)
  const id = named(envelope.id)
  const deviceId = named(envelope.deviceId) ?? ''
  if (event === null || (id === null && Object.keys(whole).length === 0))
    throw new PayloadError('body-unreadable', 'the body has no `event`, or neither `id` nor `payload`')

  const draftOf = (name: string, payload: Fields, key: unknown[] | null, raw: unknown): Draft => {
    const content = contentOf(name, payload)
    const at = content.occurredAt ?? named(payload.receivedAt)
    const isKnown = identifyBy === 'message' && content.type === 'message.received' && content.messageId && at
    const parts = isKnown ? [content.messageId, at] : key
    return { ...content, identity: parts && JSON.stringify([deviceId, ...parts]), raw }
  }

  const member = event.replace(/^(sms|mms):batch:/, '$1:')
  if (member === event || kinds.get(member)?.[0] !== 'message.received' || !Array.isArray(whole.messages)) {
    return [draftOf(event, whole, id === null ? null : [id], body)]
  }
  if (whole.messages.length > mostMessages)
    throw new PayloadError('body-unreadable', `there are more than ${mostMessages} messages in one batch`)
  // The place in the list is none to know a message by: a batch may come again with more in it.
  const seen = new Map<string, number>()
  return whole.messages.map((message: unknown) => {
    const digest = digestOf(message)
    const count = (seen.get(digest) ?? 0) + 1
    seen.set(digest, count)
    const raw = { ...envelope, payload: { ...whole, messages: [message] } }
    return draftOf(member, fieldsOf(message), [id ?? '', digest, count], raw)
  })
}

const secretsOf = async (request: GatewayRequest, ask: SecretOfDevice): Promise<string[]> => {
  const deviceId = named(fieldsOf(jsonOf(request)).deviceId)
  const answer: unknown = deviceId === null ? null : await ask(deviceId)
  // A look-up by a stranger's word may find anything: `secrets[deviceId]` finds a function for `constructor`.
  const secrets = textsOf([answer].flat().filter((each) => typeof each === 'string'))
  if (secrets.length > 0) return secrets
  throw new VerificationError('signature-mismatch', 'there is no secret for the device that the body names')
}

/** Takes the posts of SMS Gateway for Android. Throws an OptionsError. */
export const smsGate = (options: SmsGateOptions = {}): Gateway => {
  const { secret, toleranceMs = 300_000, identifyBy = 'id', ...rest } = checkOptions(optionsSchema, options)
  const ask = typeof secret === 'function' ? secret : undefined

  const verify = async (request: GatewayRequest, configured: readonly string[]): Promise<void> => {
    if (!ask && configured.length === 0) return
    const signature = request.headers['x-signature']?.toString()
    const timestamp = request.headers['x-timestamp']?.toString() ?? ''
    if (signature && timestamp === '')
      throw new VerificationError('signature-missing', 'the request does not say when it was signed')
    if (signature && !/^\d{1,12}$/.test(timestamp))
      throw new VerificationError('signature-malformed', 'the timestamp of the signature is not in digits')
    // Nobody is asked about a request that is not even signed.
    const secrets = ask && signature ? await secretsOf(request, ask) : configured
    verifyMac(signature, { secrets, parts: [request.bytes ?? '', timestamp] })
    if (toleranceMs !== false) verifyFresh(Number(timestamp) * 1_000, request.receivedAt, toleranceMs)
  }

  return defineGateway({
    kind: 'smsGate',
    maxBytes: 10 * 1024 * 1024, // Media come inside the JSON, as base64.
    ...rest,
    ...(typeof secret !== 'function' && 'secret' in options && { secret }),
    // A function proves senders as a text does; but a token that is written must not be a blank one.
    ...(ask && { needsBytes: true, ...(!('token' in options) && { allowUnauthenticated: true }) }),
    verify,
    parse: (request) => draftsOf(request.json(), identifyBy),
  })
}

/** The post that an event came with, if it was a phone's: what only that says can be said again. */
const ownPost = ({ raw }: SmsEvent) => {
  const { deviceId, webhookId, payload } = fieldsOf(raw)
  const whole = fieldsOf(named(deviceId) === null ? null : payload)
  const own = Array.isArray(whole.messages) ? fieldsOf(whole.messages[0]) : whole
  return { deviceId: named(deviceId), webhookId: named(webhookId), own }
}

type Post = readonly [event: string, fields: Fields]

const receivedPost = ({ text, media, notes, messageId }: SmsEvent, at: string, own: Fields): Post => {
  const [first] = media
  if (!first && notes.includes(noticeNote)) {
    const { contentClass, size = 0, transactionId = messageId } = own
    return ['mms:received', { contentClass, receivedAt: at, size, subject: text, transactionId }]
  }
  if (!first && text !== null) return ['sms:received', { message: text, receivedAt: at }]
  if (first && text === null && isDeepStrictEqual(media, binaryOf(first.data)))
    return ['sms:data-received', { data: first.data, receivedAt: at }]
  // `url` is ours: a phone always has the bytes, but an address that is all there is must not get lost.
  const attachments = media.map(({ contentType, data, name, size, url }, index) => {
    return { contentType, data, name, partId: index + 1, size, url }
  })
  return ['mms:downloaded', { attachments, body: text, receivedAt: at }]
}

/** Names as Gson lists them on Android: by the alphabet, an event's own before those of every message. */
const postOf = (event: SmsEvent, own: Fields): Post => {
  const { type, reason, messageId } = event
  const at = event.occurredAt ?? event.receivedAt
  const [from, to] = [addressText(event.from) || null, addressText(event.to) || null]
  if (type === 'device.ping') return ['system:ping', { health: own.health }]
  if (type === 'device.online') {
    const simCards = from === null ? [] : [{ phoneNumber: from, simNumber: 1, slotIndex: 0 }]
    return ['app:started', { simCards: own.simCards ?? simCards }]
  }
  const posts: Partial<Record<EventType, Post>> = {
    'message.sent': ['sms:sent', { partsCount: own.partsCount ?? -1, sentAt: at }],
    'message.delivered': ['sms:delivered', { deliveredAt: at }],
    'message.failed':
      reason === cancelled
        ? ['sms:cancelled', { cancelledAt: at }]
        : ['sms:failed', { failedAt: at, reason: reason ?? 'Unknown' }],
  }
  const [name, fields] = posts[type] ?? receivedPost(event, at, own)
  const sides =
    type === 'message.received'
      ? { phoneNumber: from ?? nobody, recipient: to, sender: from ?? nobody }
      : { phoneNumber: to ?? '', recipient: to ?? '', sender: from }
  return [name, { ...fields, messageId: messageId ?? '', ...sides, simNumber: own.simNumber }]
}

/** As Gson writes it: without nulls, and half a character as a question mark. */
const gson = { escaped: /['<>&=\u2028\u2029]/g, half: '?', omitsNulls: true }

const doubling = (tries: number, firstMs: number): Policy => {
  const delaysMs = Array.from({ length: tries - 1 }, (_, index) => firstMs * 2 ** index)
  return { ...policies.sms, tries, delaysMs, timeoutMs: 30_000, success: '2xx', retryAfterMaxMs: 0 }
}

/** By its source; that it also gives up on five seconds of silence, a policy cannot say. */
export const smsGateCurrent = doubling(16, 5_000)

const carried = ['from', 'to', 'messageId', 'occurredAt'] as const

/** The phone's own posts, under our `user-agent`: whoever reads the log of an endpoint should not be misled. */
export const smsGateFormat = {
  name: 'smsGate',
  carries: {
    'message.received': [...carried, 'text', 'media', 'intent'],
    'message.sent': carried,
    'message.delivered': carried,
    'message.failed': [...carried, 'reason'],
    'device.online': ['from'],
    'device.ping': [],
  },
  policy: doubling(15, 10_000),
  // Versions of the app before 1.33 sign nothing.
  secretsFault: () => null,
  compose: (event, { serviceId, secrets: [secret], now }) => {
    const { deviceId, webhookId, own } = ownPost(event)
    const [name, payload] = postOf(event, own)
    // The id is ours, since the messages of a batch came under one.
    const envelope = { deviceId: deviceId ?? serviceId ?? '', event: name, id: event.id, payload }
    const body = jsonText({ ...envelope, webhookId: webhookId ?? '' }, gson)
    const headers: OutboundRequest['headers'] = { 'content-type': 'application/json' }
    if (secret !== undefined) {
      headers['x-timestamp'] = String(Math.floor(now / 1_000))
      headers['x-signature'] = signMac(secret, { parts: [body, headers['x-timestamp']] })
    }
    return { method: 'POST', headers, body }
  },
} satisfies Format
