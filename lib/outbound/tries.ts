// The loop of tries of one delivery, run by p-retry. It knows no engine and no endpoint: what a try is, how
// it is recorded and whether there is time to wait are handed in.
import pRetry from 'p-retry'
import type { Attempt, Delivery, Policy } from '../delivery.ts'
import { DeliveryError } from '../errors.ts'
import { type Decision, decideAfter } from './decide.ts'
import { isSuccess } from './policy.ts'

export type Tries = {
  delivery: Delivery
  policy: Policy
  /** Makes one try. `n` is 1 for the first of the round. */
  attempt(n: number): Promise<Attempt>
  /** Records it and says whether to wait here for the next one; false ends the loop. */
  record(attempt: Attempt, decision: Decision): Promise<boolean>
  /** Waits until the next try is due; false when the loop should end instead. */
  wait(dueAt: number): Promise<boolean>
  moment(): { now: number; random: number }
}

/** Resolves when the delivery is settled, parked or given up; rejects only if `record` does. */
export const runTries = async ({ delivery, policy, attempt, record, wait, moment }: Tries): Promise<void> => {
  const standing = { ...delivery }
  let goesOn = false

  const tryOnce = async () => {
    const made = await attempt(standing.tries + 1)
    if (!isSuccess(policy, made.outcome)) throw new DeliveryError(made)
    return made
  }

  const afterFailure = async (made: Attempt) => {
    const decision = decideAfter(standing, made.outcome, policy, moment())
    standing.tries += 1
    const stays = await record(made, decision)
    return stays && decision.to === 'retry' && (await wait(decision.dueAt))
  }

  try {
    const made = await pRetry(tryOnce, {
      retries: Number.POSITIVE_INFINITY,
      // Its own delays know neither a table of delays nor Retry-After.
      minTimeout: 0,
      onFailedAttempt: async ({ error }) => {
        goesOn = error instanceof DeliveryError && (await afterFailure(error.attempt))
      },
      shouldRetry: () => goesOn,
    })
    await record(made, { to: 'delivered' })
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error
  }
}
