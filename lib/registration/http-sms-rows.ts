// The webhooks that httpSMS lists: how they are read, and compared with the one that is wanted.
import { isRecord, textsOf } from './remote.ts'

/** One webhook as the service has it. */
export type HttpSmsWebhook = {
  /** The service's. */
  id: string
  /** Where it posts. */
  url: string
  /** HttpSmsEvents, and such as are newer than this library. */
  events: string[]
  /** E.164. */
  phoneNumbers: string[]
  /** Whether its posts are signed; null when the service does not say. The key itself is never returned. */
  signed: boolean | null
}

export type Listed = HttpSmsWebhook & { signingKey: string | null }

/** Nothing for what could be neither compared nor removed. */
export const readWebhook = (row: unknown): Listed[] => {
  if (!isRecord(row) || typeof row.id !== 'string' || typeof row.url !== 'string') return []
  const signingKey = typeof row.signing_key === 'string' ? row.signing_key : null
  return [
    {
      id: row.id,
      url: row.url,
      events: textsOf(row.events),
      phoneNumbers: textsOf(row.phone_numbers),
      signed: signingKey === null ? null : signingKey !== '',
      signingKey,
    },
  ]
}

export const withoutKey = ({ signingKey: _, ...webhook }: Listed): HttpSmsWebhook => webhook

type Envelope<Data> = { data: Data }
export const isList = (json: unknown): json is Envelope<unknown[] | null> =>
  isRecord(json) && (Array.isArray(json.data) || json.data === null)
export const isWebhook = (json: unknown): json is Envelope<unknown> =>
  isRecord(json) && readWebhook(json.data).length === 1

const isSameSet = (one: readonly string[], other: readonly string[]): boolean =>
  [...new Set(one)].sort().join() === [...new Set(other)].sort().join()

export const isRight = (
  webhook: Listed,
  wanted: { events: string[]; phoneNumbers: string[]; signingKey: string },
): boolean =>
  isSameSet(webhook.events, wanted.events) &&
  isSameSet(webhook.phoneNumbers, wanted.phoneNumbers) &&
  (webhook.signingKey === null || webhook.signingKey === wanted.signingKey)
