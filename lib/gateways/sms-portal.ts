// SMSPortal, also sold as MyMobileAPI and under other names, both ways: the three shapes in which it reports
// replies, receipts and clicks, read as one, and the newest of them as it would post it.
import { validate as isUuid } from 'uuid'
import { z } from 'zod'
import { defineGateway, type GatewayOptions, gatewayShape } from '../define-gateway.ts'
import type { Draft } from '../draft.ts'
import { OptionsError, PayloadError } from '../errors.ts'
import { type EventType, eventTypes, type SmsEvent } from '../event.ts'
import { fieldsOf, textOf, wordOf } from '../fields.ts'
import type { CarriedField, Form, Format, Gateway, GatewayRequest } from '../gateway.ts'
import { instantOfIso, instantOfSeconds } from '../instants.ts'
import { checkOptions } from '../options.ts'
import { addressText, repairPlus } from '../phone.ts'
import { type Secret, secretSchema } from '../secrets.ts'
import { signMac } from '../signature.ts'
import { signedHeadersShape, signedParts, verifySignedHeaders } from '../signed-headers.ts'
import { clocksOf, isZone } from '../zone.ts'

/** Our names, and what the three shapes call them, in lower case: versions and templates differ in that. */
const aliases = {
  id: ['incomingid', 'id'], // Of a reply; V1 receipts have one too.
  eventId: ['eventid'], // Of what was sent, perhaps to many numbers.
  status: ['status'],
  from: ['sourcephonenumber', 'from'],
  to: ['destinationphonenumber', 'to'],
  phone: ['phonenumber', 'msisdn'], // The person's, who replied or to whom the message went.
  ownNumber: ['sc'],
  text: ['incomingdata', 'message'],
  sentText: ['data'],
  link: [], // What a click looks like is not documented.
  occurredAt: ['receivedutc', 'received', 'incomingdatatime', 'incomingdatetime'],
  sentAt: ['sentutc', 'sentdatatime', 'sentdatetime'], // V1 receipts have no other time.
} as const satisfies Record<string, readonly string[]>

type FieldName = keyof typeof aliases
const templateName = z.string().min(1).describe('the name in your template').optional()
const namesShape = Object.fromEntries(Object.keys(aliases).map((name) => [name, templateName]))

const documentedTemplate = 'v1:{timestamp}|{method}|{url}|{body}'

/** Neither the headers nor the spelling are documented; the defaults are our choice. */
const signatureSchema = z
  .strictObject({
    /**
     * The full public URL as it is registered there, which is signed. Only its query is taken from the request,
     * as it came: that of a GET is the message.
     */
    url: z.url({ protocol: /^https?$/ }).describe('the full public URL as it is registered with SMSPortal'),
    /** What is signed. Default: as documented, `v1:{timestamp}|{method}|{url}|{body}`. */
    template: z
      .string()
      .describe("a text such as '{timestamp}.{body}', with {timestamp}, {method}, {url} and {body}")
      .default(documentedTemplate),
    ...signedHeadersShape,
  })
  .describe("an object such as { url: 'https://app.example.com/sms/portal' }")

const home = 'Africa/Johannesburg'
const ownShape = {
  /** How it signs; the secret wants it. Default: none. */
  signature: signatureSchema.optional(),
  /**
   * What your templates call things, such as `{ text: 'msg', link: 'clickedUrl' }`, whatever the case. A post that
   * has a `link` is a click. Default: the documented names, which go on to count beside yours.
   */
  fields: z
    .strictObject(namesShape as Record<FieldName, typeof templateName>)
    .describe("an object such as { text: 'msg', link: 'clickedUrl' }")
    .optional(),
  /** The IANA zone of V1's times, which say none. Default: `Africa/Johannesburg`, our choice. */
  zone: z.string().refine(isZone, `write an IANA time zone such as '${home}'`).default(home),
}
const schema = z.strictObject({ ...gatewayShape, secret: secretSchema, ...ownShape }).describe('{ token }')
type OwnOptions = z.ZodObject<typeof ownShape>

/** `secret` is what SMSPortal signs with, on top of the token or alone. Default: none. */
export type SmsPortalOptions = GatewayOptions & { secret?: Secret } & z.input<OwnOptions>

const verifySignature = (
  { method, headers, search, bytes, receivedAt: now }: GatewayRequest,
  secrets: readonly string[],
  options: z.output<typeof signatureSchema>,
): void => {
  // Not rebuilt from the request, whose host is the sender's word; but its query must be what was signed, also that
  // of a POST, since it is read.
  const url = options.url.replace(/[?#].*$/s, '') + search
  const signed = { method, url, body: bytes ?? '' }
  verifySignedHeaders({ headers, secrets, now, template: options.template, signed }, options)
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const v1Date = /^(\d{1,2})\/([a-z]{3,9})\/(\d{4}) +(\d{1,2})(:\d\d(?::\d\d)?)$/i
const isVague = (value: unknown) => typeof value === 'number' && !Number.isSafeInteger(value)
const two = (digits: string) => digits.padStart(2, '0')

/** `1/Feb/2026 09:05:00` as `2026-02-01 09:05:00`; null for all else. */
const isoOfV1 = (value: unknown): string | null => {
  const [, day = '', name = '', year, hour = '', rest] = v1Date.exec(wordOf(value) ?? '') ?? []
  const month = months.indexOf(name.slice(0, 3).toLowerCase()) + 1
  return month === 0 ? null : `${year}-${two(String(month))}-${two(day)} ${two(hour)}${rest}`
}

/** Reads a post by our names: of several fields that mean the same, the first that says anything. */
const createReader = ({ fields = {}, zone }: Pick<z.output<OwnOptions>, 'fields' | 'zone'>) => {
  const chosen = Object.values(fields).map((name) => name?.toLowerCase())
  // A documented name that a template uses for something else means that alone.
  const namesOf = (name: FieldName): string[] =>
    [fields[name]?.toLowerCase() ?? [], aliases[name].filter((alias) => !chosen.includes(alias))].flat()
  const local = clocksOf(zone)
  const instantOf = (value: unknown, name: string): string | null => {
    const iso = isoOfV1(value)
    if (iso === null) return instantOfSeconds(value) ?? instantOfIso(value)
    return name.endsWith('utc') ? instantOfIso(iso) : local(iso)
  }
  return (raw: Readonly<Record<string, unknown>>) => {
    const values = new Map(Object.entries(raw).map(([name, value]) => [name.toLowerCase(), value]))
    const first = (wanted: FieldName[], read: (value: unknown, name: string) => string | null) =>
      wanted
        .flatMap(namesOf)
        .reduce<string | null>((found, name) => found ?? read(values.get(name), name), null)
    return {
      // As it came; an empty one only where there is no other.
      text: (...wanted: FieldName[]) =>
        first(wanted, (value) => textOf(value) || null) ?? first(wanted, textOf),
      // A number beyond 2^53 may have been another one, and no message must pass for a repeat of another.
      word: (...wanted: FieldName[]) => first(wanted, (value) => (isVague(value) ? null : wordOf(value))),
      instant: (...wanted: FieldName[]) => first(wanted, instantOf),
      isIncoming: ['incomingid', 'incomingdata'].some((name) => wordOf(values.get(name)) !== null),
    }
  }
}
type Reading = ReturnType<ReturnType<typeof createReader>>

/** Of several, the first is the one that is composed. What is not here is unknown. */
const statuses: Partial<Record<EventType, readonly string[]>> = {
  'message.delivered': ['DELIVRD'],
  'message.sent': ['SUBMITD', 'STAGED'],
  'message.expired': ['EXPIRED'],
  'message.failed': ['UNDELIV', 'BLIST', 'CANCELLED', 'NOROUTE'],
}
const typeOf = (status: string | null): EventType =>
  eventTypes.find((type) => statuses[type]?.includes(status?.toUpperCase() ?? '')) ?? 'unknown'

const replyOf = ({ text, word, instant }: Reading): Draft => {
  // What V2's `To` is, is not documented; our choice: the number that got the reply.
  const [from, to, said] = [text('from', 'phone'), text('to', 'ownNumber'), text('text')]
  const id = word('id')
  const identity = id && `reply:${id}`
  return { identity, from, to, text: said, messageId: id, occurredAt: instant('occurredAt') }
}

/** A receipt or a click: both are about something that was sent. */
const reportOf = ({ text, word, instant }: Reading): Draft => {
  const [id, eventId, to] = [word('id'), word('eventId'), word('to', 'phone')]
  const [link, status] = [word('link'), word('status')]
  const occurredAt = link === null ? instant('occurredAt', 'sentAt') : instant('occurredAt')
  // A sending goes to many: without a number, its own id tells its receipts apart.
  const known = eventId !== null && to !== null ? [eventId, to] : id === null ? null : [id]
  const type = link === null ? typeOf(status) : 'link.clicked'
  return {
    identity: link === null && known !== null ? `receipt:${JSON.stringify([...known, status])}` : null,
    type,
    from: text('from', 'ownNumber'),
    to: text('to', 'phone'),
    text: link ?? text('sentText', 'text'),
    messageId: eventId ?? id,
    // What was sent or delivered needs none.
    reason: ['message.failed', 'message.expired', 'unknown'].includes(type) ? status : null,
    occurredAt,
  }
}

const draftOf = (reading: Reading): Draft => {
  const { text, word, isIncoming } = reading
  if (word('link') !== null) return reportOf(reading)
  const isSaid =
    word('status') === null ? text('text') !== null : word('id') !== null && word('text') !== null
  if (isIncoming || isSaid) return replyOf(reading)
  if (word('status', 'eventId', 'id') !== null) return reportOf(reading)
  throw new PayloadError(
    'body-unreadable',
    'there is no reply, status or id in it; if your templates have names of their own, write them as `fields`',
  )
}

const plusOf = (one: Draft['from']) => (typeof one === 'string' ? repairPlus(one) : one)
const repaired = (draft: Draft, readingNotes: readonly string[]): Draft => {
  const [from, to] = [plusOf(draft.from), plusOf(draft.to)]
  const plus = from === draft.from && to === draft.to ? [] : ['plus']
  return { ...draft, from, to, notes: [...readingNotes, ...(draft.notes ?? []), ...plus] }
}

const bodyOf = ({ method, json, form }: GatewayRequest): Pick<Form, 'notes'> & { fields: unknown } => {
  if (method === 'GET') return { fields: {}, notes: [] }
  try {
    return { fields: json(), notes: [] }
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error
    return form()
  }
}

/** Takes what SMSPortal posts, or asks for with GET, in any of its three shapes. Throws an OptionsError. */
export const smsPortal = (options: SmsPortalOptions = {}): Gateway => {
  const { signature, fields, zone, ...rest } = checkOptions(schema, options)
  const signs = [rest.secret].flat().some((each) => each?.trim())
  const words = '`secret` wants `signature: { url }`, the URL as it is registered, and `signature` a `secret`'
  if (signature ? !('secret' in rest) : signs) throw new OptionsError('options-invalid', words)
  const read = createReader({ fields, zone })
  return defineGateway({
    kind: 'smsPortal',
    methods: ['GET', 'POST'],
    ...rest,
    verify: (request, secrets) => {
      if (signature && secrets.length > 0) verifySignature(request, secrets, signature)
    },
    parse: (request) => {
      const { fields: said, notes } = bodyOf(request)
      const query = [...request.query].filter(([name]) => name.toLowerCase() !== 'token')
      const raw = query.length === 0 ? said : { ...Object.fromEntries(query), ...fieldsOf(said) }
      return { ...repaired(draftOf(read(fieldsOf(raw))), notes), raw }
    },
  })
}

/** A reply's id is what readers know repeats by, and other gateways' short ids collide. */
const incomingIdOf = ({ id, identity, messageId }: SmsEvent): string =>
  messageId !== null && (identity === `reply:${messageId}` || isUuid(messageId)) ? messageId : id

/** What the service itself said of it, if the event is one of its own. */
const saidOf = ({ raw }: SmsEvent, name: string): string | null =>
  wordOf(Object.entries(fieldsOf(raw)).find(([key]) => key.toLowerCase() === name)?.[1])

const statusOf = (event: SmsEvent): string | undefined => {
  const said = saidOf(event, 'status')
  return said !== null && typeOf(said) === event.type ? said.toUpperCase() : statuses[event.type]?.[0]
}

/** Not the reason, of which only the service's own statuses come back. */
const carriedReport = ['to', 'messageId', 'occurredAt'] as const satisfies readonly CarriedField[]

/** The templates of 2025 as they are by default, which alone have both numbers; all their values are texts. */
export const smsPortalFormat = {
  name: 'smsPortal',
  carries: {
    'message.received': ['from', 'to', 'text', 'intent', 'messageId', 'occurredAt'],
    'message.sent': carriedReport,
    'message.delivered': carriedReport,
    'message.failed': carriedReport,
    'message.expired': carriedReport,
  },
  // Five tries within 10 s each are documented, and that the delays grow exponentially; how long they are is ours.
  policy: {
    tries: 5,
    delaysMs: [30_000, 60_000, 120_000, 240_000],
    timeoutMs: 10_000,
    success: '2xx',
    endOn: [],
    retryAfterMaxMs: 3_600_000,
    fallbackAfterMs: null,
  },
  secretsFault: () => null,
  compose: (event, { url, serviceId, secrets, now }) => {
    const receivedUtc = event.occurredAt ?? event.receivedAt
    const reply = () => ({
      incomingId: incomingIdOf(event),
      incomingData: event.text ?? '',
      sourcePhoneNumber: addressText(event.from),
      destinationPhoneNumber: addressText(event.to),
      receivedUtc,
    })
    const receipt = () => ({
      eventId: wordOf(event.messageId) ?? event.id,
      customerId: saidOf(event, 'customerid') ?? serviceId ?? '',
      status: statusOf(event) ?? 'UNKNOWN',
      phoneNumber: addressText(event.to),
      sentUtc: saidOf(event, 'sentutc') ?? '',
      receivedUtc,
    })
    const body = JSON.stringify(event.type === 'message.received' ? reply() : receipt())
    const timestamp = String(Math.floor(now / 1_000))
    const signed = { timestamp, method: 'POST', url: url.replace(/#.*$/s, ''), body }
    const parts = signedParts(documentedTemplate, signed)
    const signature = secrets[0] !== undefined && {
      'x-timestamp': timestamp,
      'x-signature': signMac(secrets[0], { parts }),
    }
    return { method: 'POST', headers: { 'content-type': 'application/json', ...signature }, body }
  },
} satisfies Format
