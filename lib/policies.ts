// The schedules that have a name. What is done with them is decided in outbound/policy.ts.
import type { Policy } from './delivery.ts'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

/** Milliseconds one try of a webhook may take: the shortest limit that the five gateways grant. */
const defaultTimeoutMs = 5 * second

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

/** The schedules that have a name and belong to no gateway. */
export const policies = { sms, standardWebhooks } as const
