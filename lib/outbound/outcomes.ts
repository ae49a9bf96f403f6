// What is written and told after a try: the attempt with what follows from it, and the email that is owed
// when the tries are over.
import type { Clock } from '../clock.ts'
import type { Attempt, NewMail, Next, Reason } from '../delivery.ts'
import type { Claim, Engine, Lease } from '../engine.ts'
import type { Logger } from '../logger.ts'
import type { Emit } from '../signals.ts'
import type { Decision } from './decide.ts'

/** How long to wait before an outcome that could not be recorded is written again. */
const settleAgainMs = 1_000

type Parts = {
  engine: Pick<Engine, 'settle'>
  fallback(claim: Pick<Claim, 'event' | 'delivery'>): Promise<NewMail | null>
  clock: Clock
  logger: Logger
  emit: Emit
  stopping: AbortSignal
}

export type Outcomes = {
  /** Writes the attempt and what was decided. `hold` keeps the lease over a short wait. */
  record(claim: Claim, attempt: Attempt, decision: Decision, hold: boolean): Promise<'settled' | 'lost'>
  /** Hands the delivery to the email, with the attempt that came last (null: there was none). */
  fallBack(claim: Claim, attempt: Attempt | null, reason: Reason): Promise<'settled' | 'lost'>
}

export const createOutcomes = ({ engine, fallback, clock, logger, emit, stopping }: Parts): Outcomes => {
  /** Endpoints that were told once that their 2xx does not count. */
  const hinted = new Set<string>()

  const settle = async (lease: Lease, attempt: Attempt | null, next: Next): Promise<'settled' | 'lost'> => {
    for (;;) {
      try {
        return await engine.settle(lease, attempt, next)
      } catch (error) {
        const details = { delivery: lease.id, error: (error as Error).message }
        logger.error(details, 'an outcome could not be recorded yet')
        // The lease is renewed meanwhile; given up on close, the delivery is tried again by whoever is next.
        await clock.sleep(settleAgainMs, stopping)
        if (stopping.aborted) return 'lost'
      }
    }
  }

  const mailOwed = async (claim: Claim): Promise<NewMail | null> => {
    try {
      return await fallback(claim)
    } catch (error) {
      const details = { delivery: claim.delivery.id, error: (error as Error)?.name }
      logger.error(details, 'the recipient of the email could not be found')
      return null
    }
  }

  const fallBack = async (claim: Claim, attempt: Attempt | null, reason: Reason) => {
    const { lease, event, delivery } = claim
    const endpointId = delivery.endpoint.id
    const details = { delivery: delivery.id, endpoint: endpointId, reason }
    const announce = () => {
      if (attempt) emit('attempt', { event, delivery, attempt, dueAt: null })
    }
    const mail = await mailOwed(claim)
    if (mail === null) {
      const answer = await settle(lease, attempt, { to: 'failed', reason: 'no-fallback' })
      if (answer === 'lost') return answer
      announce()
      logger.error(
        details,
        'a message reached nobody, and there is no address to mail it to; it can be replayed',
      )
      emit('failed', { deliveryId: delivery.id, endpointId, reason: 'no-fallback' })
      return answer
    }
    const answer = await settle(lease, attempt, { to: 'mailing', reason, mail })
    if (answer === 'lost') return answer
    announce()
    if (reason !== 'direct') logger.warn(details, 'the message goes out by email')
    emit('mailing', { event, delivery, reason, to: mail.to })
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
      const delivery = { ...claim.delivery, tries: attempt.n }
      const story = { event: claim.event, delivery, attempt }
      if (decision.to === 'fallback') {
        hint(delivery.endpoint.id, attempt)
        return fallBack({ ...claim, delivery }, attempt, decision.reason)
      }
      const dueAt = decision.to === 'retry' ? decision.dueAt : null
      if (dueAt !== null) hint(delivery.endpoint.id, attempt)
      const next: Next = dueAt === null ? { to: 'delivered' } : { to: 'retry', dueAt, hold }
      const answer = await settle(claim.lease, attempt, next)
      if (answer === 'lost') return answer
      emit('attempt', { ...story, dueAt })
      if (dueAt === null) emit('delivered', story)
      return answer
    },
  }
}
