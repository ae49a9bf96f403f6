// What an operator owes at run time: a message, and an endpoint that is named with it instead of in the
// configuration. Both are data, checked here.
import { v7 } from 'uuid'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { type Endpoint, policySchema, unwantedEndpoint } from '../delivery.ts'
import { eventSchema, type SmsEvent } from '../event.ts'
import type { Format } from '../gateway.ts'
import { intentOf } from '../intent.ts'
import { checkOptions } from '../options.ts'
import { address } from '../phone.ts'
import { addressesSchema, fixedRecipients } from '../recipients.ts'
import { secretSchema, writtenTexts } from '../secrets.ts'
import { checkCarries, checkFormat } from './targets.ts'

/** The gateway that dispatched messages are stored under. */
export const dispatchGateway = 'dispatch'

const messageSchema = z
  .strictObject({
    from: z.string().max(320).describe('who sent the message, as text'),
    to: z.string().max(320).describe('the number that got it, as text'),
    text: z.string().max(65_536).describe('the text of the message'),
    messageId: z.string().min(1).max(200).describe('your own id of the message').optional(),
  })
  .describe('{ from, to, text, messageId }, or a whole event')

const dispatchSchema = z
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
    policy: policySchema.partial().optional(),
  })
  .describe('{ id, url, fallback: { to } }')

/** `messageId` makes a repeat one: the same message for the same endpoint id is owed once. */
export type DispatchMessage = z.input<typeof messageSchema> | SmsEvent
export type DispatchEndpoint = z.input<typeof dispatchSchema>

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

type Tools = { formats: Readonly<Record<string, Format>>; defaultFormat: string }

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
    policy: policy ?? null,
  }
  checkFormat('endpoint', endpoint, tools)
  checkCarries('endpoint', [type], tools.formats[endpoint.format!]!)
  return endpoint
}
