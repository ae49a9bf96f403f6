// What happens next with a delivery. Pure and exhaustive: the dispatcher only carries out.
import type { Delivery, Outcome, Policy, Reason } from '../delivery.ts'
import { mostInterruptions, suspectFrom } from '../interruptions.ts'
import { delayMs, endsTries, isSuccess } from './policy.ts'

type ToFallback = { to: 'fallback'; reason: Reason }

/** What a delivery that is due comes to. */
export type Start = { to: 'try' } | ToFallback
/** What follows from a try. */
export type Decision = { to: 'delivered' } | { to: 'retry'; dueAt: number } | ToFallback

type Standing = Pick<Delivery, 'tries' | 'interruptions' | 'round' | 'createdAt'>
type Moment = { now: number; random: number }

/** Whether the next try is to be made apart from other suspects: the process died over it oftener than not. */
export const isSuspect = ({ tries, interruptions }: Pick<Delivery, 'tries' | 'interruptions'>): boolean =>
  interruptions >= suspectFrom && interruptions < mostInterruptions && interruptions > tries

/** A replay asks for tries whatever the age of the message, so the deadline is the first round's alone. */
const deadlineOf = (delivery: Standing, policy: Policy): number =>
  policy.fallbackAfterMs === null || delivery.round > 1
    ? Number.POSITIVE_INFINITY
    : delivery.createdAt + policy.fallbackAfterMs

/** Before a try: whether there is one at all. */
export const decideBefore = (delivery: Standing, policy: Policy, now: number): Start => {
  if (delivery.interruptions >= mostInterruptions) return { to: 'fallback', reason: 'interrupted' }
  if (delivery.tries >= policy.tries) return { to: 'fallback', reason: 'spent' }
  if (now >= deadlineOf(delivery, policy)) return { to: 'fallback', reason: 'deadline' }
  return { to: 'try' }
}

/** After a try: `delivery.tries` does not count it yet. */
export const decideAfter = (
  delivery: Standing,
  outcome: Outcome,
  policy: Policy,
  moment: Moment,
): Decision => {
  if (isSuccess(policy, outcome)) return { to: 'delivered' }
  if (endsTries(policy, outcome)) return { to: 'fallback', reason: 'gone' }
  const tries = delivery.tries + 1
  if (tries >= policy.tries) return { to: 'fallback', reason: 'spent' }
  const deadlineAt = deadlineOf(delivery, policy)
  if (moment.now >= deadlineAt) return { to: 'fallback', reason: 'deadline' }
  return { to: 'retry', dueAt: Math.min(moment.now + delayMs(policy, tries, outcome, moment), deadlineAt) }
}
