// The URL Networks PBX, both ways: the form it posts for each SMS, and the same form as it would post it.
import { validate as isUuid } from 'uuid'
import { z } from 'zod'
import { defineGateway, type GatewayOptions, gatewayShape } from '../define-gateway.ts'
import type { Draft } from '../draft.ts'
import { PayloadError, VerificationError } from '../errors.ts'
import type { SmsEvent } from '../event.ts'
import { fieldsOf } from '../fields.ts'
import type { Format, Gateway, GatewayRequest } from '../gateway.ts'
import { instantOfSeconds } from '../instants.ts'
import { checkOptions } from '../options.ts'
import { address, addressText, repairPlus } from '../phone.ts'
import { policies } from '../policies.ts'

/** The PBX signs nothing; its `token` goes to the end of its Web Hook URL. */
export type UrlNetworksOptions = GatewayOptions & {
  /** Refuses posts that name another `service_id`. */
  serviceId?: string | undefined
  /** Refuses posts for another `sms_number`; written with or without the plus. */
  smsNumber?: string | undefined
}

const optionsSchema = z
  .strictObject({
    ...gatewayShape,
    serviceId: z.string().min(1).optional().describe('the service id as a text'),
    smsNumber: z.string().min(1).optional().describe('the number as a text'),
  })
  .describe('{ token }')

/** HTML copies of the PBX's documentation show `&timestamp` as `×tamp`, and people paste from them. */
const corruptedId = /^(.*)×tamp=(.*)$/s

type Fields = Readonly<Record<string, string | undefined>>

const messageFields = ['from', 'sms_number', 'body', 'message_id']

const draftOf = (fields: Fields, readingNotes: readonly string[]): Draft => {
  if (!messageFields.some((name) => fields[name]))
    throw new PayloadError(
      'body-unreadable',
      'the form has none of `from`, `sms_number`, `body` and `message_id`, so that there is no message in it',
    )
  const notes = [...readingNotes]

  const from = fields.from === undefined ? undefined : repairPlus(fields.from)
  const to = fields.sms_number === undefined ? undefined : repairPlus(fields.sms_number)
  if (from !== fields.from || to !== fields.sms_number) notes.push('plus')

  const corrupted = corruptedId.exec(fields.message_id ?? '')
  if (corrupted) notes.push('tamp')
  const messageId = (corrupted ? corrupted[1]! : (fields.message_id ?? '')).trim() || null

  return {
    identity: messageId,
    from,
    to,
    text: fields.body ?? null,
    messageId,
    occurredAt: instantOfSeconds(fields.timestamp ?? corrupted?.[2]),
    notes,
    raw: fields,
  }
}

/** The number as it is compared: with or without a plus, spaces and brackets. */
const canonical = (number: string): string => address(number).e164 ?? number.replace(/[\s().+-]/g, '')

/**
 * Takes the posts of the URL Networks PBX. Throws an OptionsError.
 *
 * The PBX signs nothing, so that the `token` in its Web Hook URL is all that tells it from a stranger: use https.
 */
export const urlNetworks = (options: UrlNetworksOptions = {}): Gateway => {
  const { serviceId, smsNumber, ...rest } = checkOptions(optionsSchema, options)
  const expectedNumber = smsNumber === undefined ? undefined : canonical(smsNumber)
  const verify = (request: GatewayRequest) => {
    const { fields } = request.form()
    if (serviceId !== undefined && fields.service_id !== serviceId)
      throw new VerificationError('service-mismatch', 'the post names another `service_id` than configured')
    if (expectedNumber !== undefined && canonical(repairPlus(fields.sms_number ?? '')) !== expectedNumber)
      throw new VerificationError('number-mismatch', 'the post names another `sms_number` than configured')
  }
  return defineGateway({
    kind: 'urlNetworks',
    ...rest,
    ...((serviceId !== undefined || smsNumber !== undefined) && { verify }),
    parse: (request) => {
      const { fields, notes } = request.form()
      return draftOf(fields, notes)
    },
  })
}

// encodeURIComponent throws at half a surrogate pair, which a text cut in mid-emoji ends in.
const encode = (value: string): string => encodeURIComponent(value.replace(/\p{Surrogate}/gu, '\ufffd'))

const serviceIdOf = ({ raw }: SmsEvent): string | null => {
  const value = fieldsOf(raw).service_id
  return typeof value === 'string' && value !== '' ? value : null
}

/** The PBX's own form, so that what reads its posts can read ours. */
export const urlNetworksFormat = {
  name: 'urlNetworks',
  carries: { 'message.received': ['identity', 'from', 'to', 'text', 'intent', 'messageId', 'occurredAt'] },
  // Ten tries and exactly 200 are documented; the spacing and the time limit are not and are ours.
  policy: policies.sms,
  secretsFault: (secrets) =>
    secrets.length === 0 ? null : 'the format `urlNetworks` signs nothing; leave `secret` out',
  compose: (event, { url, serviceId, fallbackTo }) => {
    const { id, messageId, from, to, text, occurredAt, receivedAt } = event
    const fields = [
      ['service_id', serviceIdOf(event) ?? serviceId ?? ''],
      ['from', addressText(from)],
      ['sms_number', addressText(to)],
      ['body', text ?? ''],
      // Other gateways' ids are short and collide; readers of this form expect a UUID.
      ['message_id', messageId !== null && isUuid(messageId) ? messageId : id],
      ['timestamp', String(Math.floor(Date.parse(occurredAt ?? receivedAt) / 1000))],
      ['webhook_url', url],
      ['webhook_url_fallback', fallbackTo ?? ''],
    ] as const
    return {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: fields.map(([name, value]) => `${name}=${encode(value)}`).join('&'),
    }
  },
} satisfies Format
