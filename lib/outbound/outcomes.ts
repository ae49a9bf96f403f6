// What is written and told after a try: the attempt with what follows from it, and the email that is owed
// when the tries are over.
import type { Clock } from '../clock.ts'
import type { Attempt, NewMail, Next, Reason } from '../delivery.ts'
import type { Claim, Engine, Lease } from '../engine.ts'
import type { Logger } from '../logger.ts'
import type { Emit } from '../signals.ts'
import { traceOf } from '../trace.ts'
import type { Decision } from './decide.ts'

/** How long to wait before an outcome that could not be recorded is written again. */
const settleAgainMs = 1_000

/** How long the recipients of an email may be looked for; a function that hangs must not hold its slot. */
const mostAskingMs = 30_000
/** Those that cannot be found are asked for again, as long as a mail that does not get through is tried. */
const askAgainMs = 60_000
const askForMs = 5 * 24 * 60 * 60_000

type Parts = {
  engine: Pick<Engine, 'settle'>
  fallback(claim: Pick<Claim, 'event' | 'delivery'>): Promise<NewMail | null>
  clock: Clock
  logger: Logger
  emit: Emit
  /** Aborts when there is no time left to write anything. */
  over: AbortSignal
}

export type Outcomes = {
  /**
   * Writes the attempt (null: the tries were over without another) and what was decided. `hold` keeps the
   * lease over a short wait.
   */
  record(
    claim: Claim,
    attempt: Attempt | null,
    decision: Decision,
    hold: boolean,
  ): Promise<'settled' | 'lost'>
  /** Hands the delivery to the email, with the attempt that came last (null: there was none). */
  fallBack(claim: Claim, attempt: Attempt | null, reason: Reason): Promise<'settled' | 'lost'>
}

export const createOutcomes = ({ engine, fallback, clock, logger, emit, over }: Parts): Outcomes => {
  /** Endpoints that were told once that their 2xx does not count. */
  const hinted = new Set<string>()

  const settle = async (lease: Lease, attempt: Attempt | null, next: Next): Promise<'settled' | 'lost'> => {
    for (let failures = 0; !over.aborted; failures += 1) {
      try {
        return await engine.settle(lease, attempt, next)
      } catch (error) {
        const details = { delivery: lease.id, ...traceOf(error) }
        if (failures === 0) logger.error(details, 'an outcome could not be recorded yet')
        // The lease is renewed meanwhile. Given up on close, the delivery is tried again by whoever is next.
        await clock.sleep(settleAgainMs, over)
      }
    }
    return 'lost'
  }

  const mailOwed = async (claim: Claim): Promise<NewMail | null | 'unknown'> => {
    let cancel = () => {}
    const late = new Promise<never>((_resolve, reject) => {
      cancel = clock.after(mostAskingMs, () => reject(new Error('no answer in time')))
    })
    try {
      return await Promise.race([fallback(claim), late])
    } catch (error) {
      const details = { delivery: claim.delivery.id, error: (error as Error)?.name }
      logger.error(details, 'the recipient of the email could not be found')
      return 'unknown'
    } finally {
      cancel()
    }
  }

  const nextStep = async (claim: Claim, reason: Reason): Promise<Next> => {
    const mail = await mailOwed(claim)
    if (mail !== null && mail !== 'unknown') return { to: 'mailing', reason, mail }
    const now = clock.now()
    if (mail === null || now >= claim.delivery.createdAt + askForMs)
      return { to: 'failed', reason: 'no-fallback' }
    return { to: 'retry', dueAt: now + askAgainMs, hold: false }
  }

  const fallBack = async (claim: Claim, attempt: Attempt | null, reason: Reason) => {
    const { lease, event, delivery } = claim
    const endpointId = delivery.endpoint.id
    const details = { delivery: delivery.id, endpoint: endpointId, reason }
    const next = await nextStep(claim, reason)
    const answer = await settle(lease, attempt, next)
    if (answer === 'lost') return answer
    if (attempt) emit('attempt', { event, delivery, attempt, dueAt: next.to === 'retry' ? next.dueAt : null })
    if (next.to === 'mailing') {
      if (reason !== 'direct') logger.warn(details, 'the message goes out by email')
      emit('mailing', { event, delivery, reason, to: next.mail.to })
    }
    if (next.to === 'failed') {
      logger.error(
        details,
        'a message reached nobody, and there is no address to mail it to; it can be replayed',
      )
      emit('failed', { deliveryId: delivery.id, endpointId, reason: 'no-fallback' })
    }
    return answer
  }

  const hint = (endpointId: string, { outcome }: Attempt) => {
    if (outcome.type !== 'answer' || outcome.status < 201 || outcome.status > 299 || hinted.has(endpointId))
      return
    hinted.add(endpointId)
    logger.warn(
      { endpoint: endpointId, status: outcome.status },
      "an answer of 2xx was no success, since this endpoint's policy wants another status; write policy: { success: '2xx' } if any 2xx will do",
    )
  }

  return {
    fallBack,
    record: async (claim, attempt, decision, hold) => {
      const { event, delivery, lease } = claim
      if (attempt && decision.to !== 'delivered') hint(delivery.endpoint.id, attempt)
      if (decision.to === 'fallback') return fallBack(claim, attempt, decision.reason)
      const next: Next = decision.to === 'retry' ? { ...decision, hold } : decision
      const answer = await settle(lease, attempt, next)
      if (answer === 'lost' || !attempt) return answer
      emit('attempt', { event, delivery, attempt, dueAt: decision.to === 'retry' ? decision.dueAt : null })
      if (decision.to === 'delivered') emit('delivered', { event, delivery, attempt })
      return answer
    },
  }
}
