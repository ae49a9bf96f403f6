// The webhooks that SMS Gateway for Android lists: how they are read, and compared with those that are wanted.
import { createHash } from 'node:crypto'
import { isRecord } from './remote.ts'

/** One webhook as the service has it. */
export type SmsGateWebhook = {
  /** Its own, or the one it was registered with. */
  id: string
  /** Where it posts. */
  url: string
  /** A SmsGateEvent, or one that is newer than this library. */
  event: string
  /** The only device that it is for; null: every device of the account. */
  deviceId: string | null
}

export type Place = Omit<SmsGateWebhook, 'id'>

/**
 * The id that a webhook has by what it says; the service takes at most 36 characters. Two processes that
 * register the same at once so make one webhook, and a phone's own server, which forgets which device was
 * named, still shows what is whose.
 */
export const idOf = ({ url, event, deviceId }: Place): string =>
  createHash('sha256')
    .update(JSON.stringify([url, event, deviceId]))
    .digest('hex')
    .slice(0, 32)

const isAt = (webhook: SmsGateWebhook, place: Place): boolean =>
  webhook.url === place.url &&
  webhook.event === place.event &&
  (webhook.deviceId === place.deviceId || webhook.id === idOf(place))

export const isRows = (json: unknown): json is unknown[] | null => json === null || Array.isArray(json)

/** Nothing for what could be neither compared nor removed. */
export const readWebhook = (row: unknown): SmsGateWebhook[] => {
  if (!isRecord(row) || typeof row.id !== 'string' || typeof row.url !== 'string') return []
  const event = typeof row.event === 'string' ? row.event : ''
  const deviceId = typeof row.deviceId === 'string' && row.deviceId !== '' ? row.deviceId : null
  return [{ id: row.id, url: row.url, event, deviceId }]
}

type Comparison = { kept: SmsGateWebhook[]; missing: Place[]; surplus: SmsGateWebhook[] }

/** Which webhooks of `url` are right, which are missing, and which are twice or no longer wanted. */
export const compare = (
  places: readonly Place[],
  webhooks: readonly SmsGateWebhook[],
  url: string,
): Comparison => {
  // Of two that say the same the one under our own id stays, else the first by its id, whoever looks.
  const rank = (webhook: SmsGateWebhook) => (webhook.id === idOf(webhook) ? '0' : `1${webhook.id}`)
  const present = webhooks
    .filter((webhook) => webhook.url === url)
    .toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))
  const found = places.map((place) => present.find((webhook) => isAt(webhook, place)))
  const kept = found.filter((webhook) => webhook !== undefined)
  return {
    kept,
    missing: places.filter((_, index) => !found[index]),
    surplus: present.filter((webhook) => !kept.includes(webhook)),
  }
}
