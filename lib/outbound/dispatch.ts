// What an operator owes at run time: a message, and an endpoint that is named with it instead of in the
// configuration. Both are data, checked here.
import { v7 } from 'uuid'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { type Endpoint, type Policy, type PolicyChanges, unwantedEndpoint } from '../delivery.ts'
import { eventSchema, type SmsEvent } from '../event.ts'
import type { Format } from '../gateway.ts'
import { intentOf } from '../intent.ts'
import { checkOptions } from '../options.ts'
import { address } from '../phone.ts'
import { addressesSchema, fixedRecipients } from '../recipients.ts'
import { secretSchema, writtenTexts } from '../secrets.ts'
import { checkCarries, checkFormat, policyOf, wantedPolicySchema } from './targets.ts'

/** The gateway that dispatched messages are stored under. */
export const dispatchGateway = 'dispatch'

/** A message to deliver: its four fields, or a whole event such as another store has kept. */
export type DispatchMessage =
  | {
      /** Who sent the message, as text. */
      from: string
      /** The number that got it, as text. */
      to: string
      /** The words of the message. */
      text: string
      /** Your own id of the message. It makes a repeat one: the same for the same endpoint id is owed once. */
      messageId?: string | undefined
    }
  | SmsEvent

/** Who is owed the message: a webhook, and an email address for when its tries are spent. */
export type DispatchEndpoint = {
  /** Up to 200 letters, digits and `. : @ - _`, the same for the same customer. */
  id: string
  /** Where the message is posted. It passes the address guard at every try. */
  url: string
  /** Where the email goes when the tries are spent. Default: the general fallback. */
  fallback?: { to: string | string[] } | undefined
  /** The name of the format posted to it. Default: the eight form fields of the PBX. */
  format?: string | undefined
  /** What the format signs with; several while one replaces another. */
  secret?: string | (string | undefined)[] | undefined
  /** The `service_id` that is posted when the message has none. */
  serviceId?: string | undefined
  /** How it is tried: a schedule's name, or what differs from the format's own policy. */
  policy?: string | PolicyChanges | undefined
}

export const messageSchema = z
  .strictObject({
    from: z.string().max(320).describe('who sent the message, as text'),
    to: z.string().max(320).describe('the number that got it, as text'),
    text: z.string().max(65_536).describe('the text of the message'),
    messageId: z.string().min(1).max(200).describe('your own id of the message').optional(),
  })
  .describe('{ from, to, text, messageId }, or a whole event') satisfies z.ZodType<DispatchMessage>

export const dispatchSchema = z
  .strictObject({
    id: z
      .string()
      .regex(/^[\w.:@-]{1,200}$/)
      .refine((id) => id !== unwantedEndpoint.id, `write another name than "${unwantedEndpoint.id}"`)
      .describe('a name of up to 200 letters, digits and . : @ - _, the same for the same customer'),
    url: z.url({ protocol: /^https?$/ }).describe("a URL such as 'https://crm.example.com/sms'"),
    fallback: z.strictObject({ to: addressesSchema }).describe('{ to }').optional(),
    format: z.string().optional(),
    secret: secretSchema,
    serviceId: z.string().optional(),
    policy: wantedPolicySchema.optional(),
  })
  .describe('{ id, url, fallback: { to } }') satisfies z.ZodType<DispatchEndpoint>

/** Throws an OptionsError. */
export const eventOf = (message: DispatchMessage, clock: Clock): SmsEvent => {
  if (typeof message === 'object' && message !== null && 'identity' in message)
    return checkOptions(eventSchema, message, 'message')
  const { from, to, text, messageId } = checkOptions(messageSchema, message, 'message')
  const now = clock.now()
  const id = v7({ msecs: now })
  const at = new Date(now).toISOString()
  return {
    id,
    gateway: dispatchGateway,
    identity: messageId ?? id,
    type: 'message.received',
    from: address(from),
    to: address(to),
    text,
    media: [],
    intent: intentOf(text),
    encrypted: false,
    messageId: messageId ?? null,
    reason: null,
    occurredAt: at,
    receivedAt: at,
    notes: [],
    raw: null,
  }
}

type Tools = {
  formats: Readonly<Record<string, Format>>
  defaultFormat: string
  policies: Readonly<Record<string, Policy>>
}

/** Throws an OptionsError, also when its format cannot carry the event. Its URL is judged at every try, not here: a name may point elsewhere tomorrow. */
export const endpointOf = (wished: DispatchEndpoint, { type }: SmsEvent, tools: Tools): Endpoint => {
  const { id, url, fallback, format, serviceId, policy } = checkOptions(dispatchSchema, wished, 'endpoint')
  const endpoint: Endpoint = {
    id,
    kind: 'webhook',
    url,
    guarded: true,
    format: format ?? tools.defaultFormat,
    secrets: writtenTexts(wished, 'secret', 'endpoint.'),
    serviceId: serviceId ?? null,
    mailTo: fixedRecipients(fallback?.to),
    policy: policyOf('endpoint', policy, tools),
  }
  checkFormat('endpoint', endpoint, tools)
  checkCarries('endpoint', [type], tools.formats[endpoint.format!]!)
  return endpoint
}
