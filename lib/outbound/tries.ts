// The loop of tries of one delivery, run by p-retry. It knows no engine and no endpoint: what a try is, how
// it is recorded and whether there is time to wait are handed in.
import pRetry from 'p-retry'
import type { Attempt, Delivery, Outcome, Policy } from '../delivery.ts'
import { DeliveryError } from '../errors.ts'
import { type Decision, decideAfter, decideBefore } from './decide.ts'

export type Tries = {
  delivery: Delivery
  policy: Policy
  /** Makes one try. `n` is 1 for the first of the round. */
  attempt(n: number): Promise<Outcome>
  /**
   * Records the attempt, null when the tries were over before another one, and what was decided. Says
   * whether to wait here for the next one; false ends the loop.
   */
  record(attempt: Attempt | null, decision: Decision): Promise<boolean>
  /** Waits until the next try is due; false when the loop should end instead. */
  wait(dueAt: number): Promise<boolean>
  moment(): { now: number; random: number }
}

/** Resolves when the delivery is settled, parked or given up; rejects if something that was handed in does. */
export const runTries = async ({ delivery, policy, attempt, record, wait, moment }: Tries): Promise<void> => {
  const standing = { ...delivery }
  let goesOn = false
  let dueAt = 0

  const tryOnce = async () => {
    const start = decideBefore(standing, policy, moment().now)
    if (start.to === 'fallback') return record(null, start)
    const n = standing.tries + 1
    const startedAt = moment().now
    const outcome = await attempt(n)
    // A clock that was set back meanwhile must not make it negative.
    const tookMs = Math.max(0, moment().now - startedAt)
    const made = { n, startedAt, tookMs, outcome }
    const decision = decideAfter(standing, outcome, policy, moment())
    standing.tries += 1
    if (decision.to !== 'retry') return record(made, decision)
    dueAt = decision.dueAt
    throw new DeliveryError(made)
  }

  try {
    await pRetry(tryOnce, {
      retries: Number.POSITIVE_INFINITY,
      // Its own delays know neither a table of delays nor Retry-After.
      minTimeout: 0,
      onFailedAttempt: async ({ error }) => {
        goesOn =
          error instanceof DeliveryError &&
          (await record(error.attempt, { to: 'retry', dueAt })) &&
          (await wait(dueAt))
      },
      shouldRetry: () => goesOn,
    })
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error
  }
}
