// Carries out what is decided: claims due deliveries, has each tried within its limits, waits or parks,
// and drains on close. What is written after a try lives in outcomes.ts.
import type { Clock } from '../clock.ts'
import type { Attempt, Endpoint, NewMail } from '../delivery.ts'
import { unwantedEndpoint } from '../delivery.ts'
import type { Claim, Engine, Lease } from '../engine.ts'
import type { Logger } from '../logger.ts'
import type { Emit } from '../signals.ts'
import { type Decision, decideBefore } from './decide.ts'
import { createOutcomes } from './outcomes.ts'
import { createSlots } from './slots.ts'
import { defaultEndpointConcurrency, type Target } from './targets.ts'
import { runTries } from './tries.ts'

/** Deliveries in work at once, over all endpoints. */
export const defaultConcurrency = 50
/** The longest wait between two tries that is spent in memory; a longer one is parked in the engine. */
export const defaultHoldMs = 15_000
/** Milliseconds that tries under way get to finish on close. */
export const defaultGraceMs = 10_000

const leaseMs = 30_000

export type DispatcherParts = {
  engine: Pick<Engine, 'claim' | 'settle' | 'renew' | 'release' | 'onDue'>
  /** How a stored endpoint is tried now; null when nothing is left that could try it. */
  resolve(endpoint: Endpoint): Target | null
  targets: readonly Target[]
  /** The mail owed for a delivery whose tries are over; null when there is nobody to write to. */
  fallback(claim: Pick<Claim, 'event' | 'delivery'>): Promise<NewMail | null>
  clock: Clock
  logger: Logger
  emit: Emit
  concurrency?: number | undefined
  holdMs?: number | undefined
  /** From 0 to 1; adds jitter to the delays. */
  random?: () => number
}

export type Dispatcher = {
  /** Goes on claiming until `close`. */
  start(): void
  /** Does what is due and returns how many deliveries that were; claims no more once `maxMs` have passed. */
  runDue(options?: { maxMs?: number }): Promise<number>
  /** Claims no more, lets tries under way finish within `graceMs`, gives the rest back. */
  close(graceMs?: number): Promise<void>
}

export const createDispatcher = (parts: DispatcherParts): Dispatcher => {
  const { engine, resolve, targets, fallback, clock, logger, emit } = parts
  const { concurrency = defaultConcurrency, holdMs = defaultHoldMs, random = Math.random } = parts
  const slots = createSlots({
    overall: concurrency,
    each: Math.min(defaultEndpointConcurrency, concurrency),
    of: Object.fromEntries(targets.map(({ endpoint, concurrency }) => [endpoint.id, concurrency])),
  })
  const mostHeld = 4 * concurrency
  const stopping = new AbortController()
  /** What is in work, and when it has ended. By lease, since all leases of one claim may share a token. */
  const inWork = new Map<Lease, Promise<void>>()
  const outcomes = createOutcomes({ engine, fallback, clock, logger, emit, stopping: stopping.signal })
  let held = 0
  let isRunning = false
  let hasWaker = false
  let isEngineDown = false
  let claiming: Promise<number> | null = null
  let isClaimWanted = false

  const mayHold = (dueAt: number) => isRunning && held < mostHeld && dueAt - clock.now() <= holdMs

  const record = async (claim: Claim, attempt: Attempt, decision: Decision): Promise<boolean> => {
    const hold = decision.to === 'retry' && mayHold(decision.dueAt)
    if (hold) held += 1
    const isOurs = (await outcomes.record(claim, attempt, decision, hold)) === 'settled'
    if (hold && !isOurs) held -= 1
    return hold && isOurs
  }

  const work = async (claim: Claim): Promise<void> => {
    const { delivery, event, lease } = claim
    const { endpoint } = delivery
    let hasSlot = true
    const giveSlot = () => {
      if (!hasSlot) return
      hasSlot = false
      slots.give(endpoint.id)
      if (isRunning) void claimDue()
    }

    try {
      if (endpoint.kind === 'email') {
        const reason = endpoint.id === unwantedEndpoint.id ? 'unwanted' : 'direct'
        await outcomes.fallBack(claim, null, reason)
        return
      }
      const target = resolve(endpoint)
      if (!target) {
        await outcomes.fallBack(claim, null, 'orphaned')
        return
      }
      const before = decideBefore(delivery, target.policy, clock.now())
      if (before.to === 'fallback') {
        await outcomes.fallBack(claim, null, before.reason)
        return
      }
      await runTries({
        delivery,
        policy: target.policy,
        moment: () => ({ now: clock.now(), random: random() }),
        attempt: async (n) => {
          if (!hasSlot) await slots.take(endpoint.id)
          hasSlot = true
          const startedAt = clock.now()
          const outcome = await target.attempt(event, n)
          giveSlot()
          return { n, startedAt, tookMs: clock.now() - startedAt, outcome }
        },
        record: (attempt, decision) => record(claim, attempt, decision),
        wait: async (dueAt) => {
          await clock.sleep(dueAt - clock.now(), stopping.signal)
          held -= 1
          const goesOn = !stopping.signal.aborted && inWork.has(lease)
          if (stopping.signal.aborted) await engine.release([lease])
          return goesOn
        },
      })
    } finally {
      giveSlot()
    }
  }

  const begin = (claim: Claim) => {
    void slots.take(claim.delivery.endpoint.id)
    const ended = work(claim)
      .catch((error: unknown) => {
        logger.error(
          { delivery: claim.delivery.id, error: (error as Error)?.message },
          'a delivery was left to the next claim',
        )
      })
      .finally(() => inWork.delete(claim.lease))
    inWork.set(claim.lease, ended)
    renewSoon()
  }

  const claimUntilNoneIsLeft = async (endsAt: number): Promise<number> => {
    let count = 0
    do {
      isClaimWanted = false
      const { limit, room } = slots.free()
      if (limit <= 0 || stopping.signal.aborted || clock.now() >= endsAt) break
      const claims = await engine.claim({ limit, leaseMs, room })
      for (const claim of claims) begin(claim)
      count += claims.length
      if (claims.length > 0) isClaimWanted = true
    } while (isClaimWanted)
    return count
  }

  /** One claim at a time; a wake in the meantime makes it look once more. */
  const claimDue = async (endsAt = Number.POSITIVE_INFINITY): Promise<number> => {
    isClaimWanted = true
    claiming ??= claimUntilNoneIsLeft(endsAt).finally(() => {
      claiming = null
    })
    try {
      const count = await claiming
      isEngineDown = false
      return count
    } catch (error) {
      if (!isEngineDown) logger.error({ error: (error as Error).message }, 'due deliveries cannot be claimed')
      isEngineDown = true
      return 0
    }
  }

  const renewSoon = () => {
    if (hasWaker) return
    hasWaker = true
    clock.after(leaseMs / 3, async () => {
      hasWaker = false
      if (inWork.size === 0) return
      const leases = [...inWork.keys()]
      const answers = await engine.renew(leases, leaseMs).catch(() => [])
      answers.forEach((answer, index) => {
        if (answer === 'lost') inWork.delete(leases[index]!)
      })
      renewSoon()
    })
  }

  const allEnded = () => Promise.all(inWork.values())
  let stopListening = () => {}

  return {
    start: () => {
      isRunning = true
      stopListening = engine.onDue(() => void claimDue())
      void claimDue()
    },
    runDue: async ({ maxMs = Number.POSITIVE_INFINITY } = {}) => {
      const endsAt = clock.now() + maxMs
      let count = 0
      for (;;) {
        const claimed = await claimDue(endsAt)
        count += claimed
        await allEnded()
        if (claimed === 0) return count
      }
    },
    close: async (graceMs = defaultGraceMs) => {
      stopListening()
      isRunning = false
      stopping.abort()
      const grace = new AbortController()
      await Promise.race([allEnded(), clock.sleep(graceMs, grace.signal)])
      grace.abort()
      const left = [...inWork.keys()]
      if (left.length > 0) {
        logger.warn(
          { deliveries: left.length },
          'closed with tries under way; they are made again at the next start',
        )
        await engine.release(left)
      }
    },
  }
}
