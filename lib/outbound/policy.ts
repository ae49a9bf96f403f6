// What a policy says of an answer: whether it is a success, and how long to wait after it. Pure.
import type { Outcome, Policy } from '../delivery.ts'

/** Jitter only ever adds, at most this share of the delay. */
export const jitter = 0.1

export const isSuccess = (policy: Policy, outcome: Outcome): boolean => {
  if (outcome.type === 'done') return true
  if (outcome.type === 'error') return false
  const { status } = outcome
  if (policy.success === '2xx') return status >= 200 && status < 300
  if (policy.success === '<400') return status >= 200 && status < 400
  return status === policy.success
}

/** Whether an answer says that trying again is no use. No answer at all never does. */
export const endsTries = ({ endOn }: Policy, outcome: Outcome): boolean => {
  if (outcome.type !== 'answer') return false
  const { status } = outcome
  return endOn.some((end) => end === status || end === `${Math.floor(status / 100)}xx`)
}

/** Reads a `Retry-After` of seconds or an HTTP date (RFC 9110, 10.2.3) as milliseconds from now. */
export const retryAfterMs = (value: string | null, now: number): number => {
  if (value === null) return 0
  const text = value.trim()
  if (/^\d+$/.test(text)) return Number(text) * 1_000
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
