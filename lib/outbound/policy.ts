// How a delivery is tried: the schedules, what counts as success, and how long to wait. Pure.
import type { Outcome, Policy } from '../delivery.ts'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

/** Milliseconds one try of a webhook may take: the shortest limit that the five gateways grant. */
export const defaultTimeoutMs = 5 * second

/** Jitter only ever adds, at most this share of the delay. */
export const jitter = 0.1

/** The default: as the PBX demands, exactly 200 in ten tries; the email goes out after 32 to 36 minutes. */
const sms: Policy = {
  tries: 10,
  delaysMs: [
    5 * second,
    15 * second,
    30 * second,
    1 * minute,
    2 * minute,
    4 * minute,
    6 * minute,
    8 * minute,
    10 * minute,
  ],
  timeoutMs: defaultTimeoutMs,
  success: 200,
  endOn: [],
  retryAfterMaxMs: 10 * minute,
  fallbackAfterMs: null,
}

/** The example schedule of the Standard Webhooks specification: ten tries over 75 h 35 m, any 2xx, 410 ends. */
const standardWebhooks: Policy = {
  tries: 10,
  delaysMs: [
    5 * second,
    5 * minute,
    30 * minute,
    2 * hour,
    5 * hour,
    10 * hour,
    14 * hour,
    20 * hour,
    24 * hour,
  ],
  timeoutMs: 15 * second,
  success: '2xx',
  endOn: [410],
  retryAfterMaxMs: hour,
  fallbackAfterMs: null,
}

export const policies = { sms, standardWebhooks } as const

export const isSuccess = (policy: Policy, outcome: Outcome): boolean => {
  if (outcome.type === 'done') return true
  if (outcome.type === 'error') return false
  const { status } = outcome
  if (policy.success === '2xx') return status >= 200 && status < 300
  if (policy.success === '<400') return status >= 200 && status < 400
  return status === policy.success
}

/** Reads a `Retry-After` of seconds or an HTTP date (RFC 9110, 10.2.3) as milliseconds from now. */
export const retryAfterMs = (value: string | null, now: number): number => {
  if (value === null) return 0
  const text = value.trim()
  if (/^\d+$/.test(text)) return Number(text) * second
  if (!/^[A-Za-z]{3}/.test(text)) return 0
  // The oldest form of an HTTP date names no zone; it means GMT too.
  const date = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
  return Number.isNaN(date) ? 0 : Math.max(0, date - now)
}

/**
 * Milliseconds until the next try after `tries` of them failed. `random` is from 0 (inclusive) to 1
 * (exclusive).
 */
export const delayMs = (
  policy: Policy,
  tries: number,
  outcome: Outcome,
  { now, random }: { now: number; random: number },
): number => {
  const planned = policy.delaysMs[Math.min(tries, policy.delaysMs.length) - 1] ?? 0
  const asked = outcome.type === 'answer' ? retryAfterMs(outcome.retryAfter, now) : 0
  const jittered = planned + Math.floor(planned * jitter * random)
  return Math.max(jittered, Math.min(asked, policy.retryAfterMaxMs))
}
