// Carries out what is decided: claims due deliveries, has each tried within its limits, waits or parks,
// and drains on close. What is written after a try lives in outcomes.ts.
import type { Clock } from '../clock.ts'
import { type Attempt, type Endpoint, type NewMail, unwantedEndpoint } from '../delivery.ts'
import type { Claim, Engine } from '../engine.ts'
import type { Logger } from '../logger.ts'
import type { Emit } from '../signals.ts'
import { traceOf } from '../trace.ts'
import { type Decision, isSuspect } from './decide.ts'
import { createLeases, leaseMs } from './leases.ts'
import { createOutcomes } from './outcomes.ts'
import { createSlots } from './slots.ts'
import { createSuspects } from './suspects.ts'
import { defaultEndpointConcurrency, type Target } from './targets.ts'
import { runTries } from './tries.ts'

/** Deliveries in work at once, over all endpoints. */
export const defaultConcurrency = 50
/** The longest wait between two tries that is spent in memory; a longer one is parked in the engine. */
export const defaultHoldMs = 15_000
/** Milliseconds that tries under way get to finish on close. */
export const defaultGraceMs = 10_000

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
  /**
   * Does what is due and returns how many deliveries that were; claims no more once `maxMs` have passed.
   * Meanwhile no wait is spent in memory, so that nothing is left there.
   */
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
  const handlers = targets
    .filter(({ endpoint }) => endpoint.kind === 'handler')
    .map(({ endpoint }) => endpoint.id)
  const leases = createLeases(engine, clock)
  const suspects = createSuspects(engine, leaseMs)
  /** Aborted when nothing new is to be begun, and when nothing is waited for any more. */
  const stopping = new AbortController()
  const over = new AbortController()
  const outcomes = createOutcomes({ engine, fallback, clock, logger, emit, over: over.signal })
  const inWork = new Set<Promise<void>>()
  const mostHeld = 4 * concurrency
  let held = 0
  let recording = 0
  let isRunning = false
  /** How many `runDue` are under way, and until when they claim. */
  let runs = 0
  let runsEndAt = 0
  let begun = 0
  let isEngineDown = false
  let isClaimWanted = false
  let isClaiming = false
  let claimed = Promise.resolve()

  const isWanted = () => isRunning || (runs > 0 && clock.now() < runsEndAt)
  // An engine that takes no outcomes must not be given ever more of them to keep.
  const mayClaim = () => isWanted() && !stopping.signal.aborted && recording < concurrency
  const mayHold = (dueAt: number) =>
    isRunning && runs === 0 && holdMs > 0 && held < mostHeld && dueAt - clock.now() <= holdMs

  /** Writes what came of a try; true when the next one is to be awaited here. */
  const record = async (claim: Claim, attempt: Attempt | null, decision: Decision): Promise<boolean> => {
    const hold = decision.to === 'retry' && mayHold(decision.dueAt)
    let stays = false
    recording += 1
    if (hold) held += 1
    try {
      const answer = await outcomes.record(claim, attempt, decision, hold)
      stays = hold && answer === 'settled'
    } finally {
      recording -= 1
      if (recording === concurrency - 1) claimDue()
      if (hold && !stays) held -= 1
    }
    return stays
  }

  const work = async (claim: Claim): Promise<void> => {
    const { delivery, event, lease } = claim
    const { endpoint } = delivery
    let latest = claim
    let hasSlot = false
    const giveSlot = () => {
      if (!hasSlot) return
      hasSlot = false
      slots.give(endpoint.id)
      claimDue()
    }
    /** Takes a slot for what comes next; false when that is not ours to do any more. */
    const resume = async (): Promise<boolean> => {
      if (!stopping.signal.aborted) {
        await slots.take(endpoint.id)
        hasSlot = true
      }
      if (!(await leases.isOurs(lease))) return false
      if (stopping.signal.aborted) await engine.release([lease])
      return !stopping.signal.aborted
    }
    let endTurn: (() => void) | null = null

    try {
      if (!(await resume())) return
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
      if (isSuspect(delivery)) {
        giveSlot()
        endTurn = await suspects.turn(claim)
        if (endTurn === null || !(await resume())) return
      }
      await runTries({
        delivery,
        policy: target.policy,
        moment: () => ({ now: clock.now(), random: random() }),
        attempt: (n) => target.attempt(event, n, over.signal),
        record: async (attempt, decision) => {
          // The next try need not wait for the disk.
          giveSlot()
          if (attempt) latest = { ...claim, delivery: { ...delivery, tries: attempt.n } }
          const stays = await record(latest, attempt, decision)
          endTurn?.()
          return stays
        },
        wait: async (dueAt) => {
          await clock.sleep(dueAt - clock.now(), stopping.signal)
          held -= 1
          return resume()
        },
      })
    } finally {
      giveSlot()
      endTurn?.()
    }
  }

  const begin = (claim: Claim, endsAt: number) => {
    begun += 1
    leases.add(claim.lease, endsAt)
    const ended = work(claim)
      .catch((error: unknown) => {
        const details = { delivery: claim.delivery.id, ...traceOf(error) }
        logger.error(details, 'a delivery was left to the next claim')
      })
      .finally(() => {
        leases.drop(claim.lease)
        inWork.delete(ended)
      })
    inWork.add(ended)
  }

  const claimAll = async (): Promise<void> => {
    isClaiming = true
    try {
      while (isClaimWanted && mayClaim()) {
        isClaimWanted = false
        const { limit, room } = slots.free()
        if (limit <= 0) return
        await leases.refresh()
        const endsAt = clock.now() + leaseMs
        const claims = await engine.claim({ limit, leaseMs, room, handlers })
        isEngineDown = false
        // The most suspected goes to the end of its line.
        claims.sort((a, b) => a.delivery.interruptions - b.delivery.interruptions)
        for (const claim of claims) begin(claim, endsAt)
      }
    } catch (error) {
      if (!isEngineDown) logger.error(traceOf(error), 'due deliveries cannot be claimed')
      isEngineDown = true
    } finally {
      isClaiming = false
    }
  }

  /** One claim at a time; a wake in the meantime makes it look once more. */
  const claimDue = (): Promise<void> => {
    isClaimWanted = true
    if (!isClaiming) claimed = claimAll()
    return claimed
  }

  const allEnded = () => Promise.all(inWork)
  let stopListening = () => {}

  return {
    start: () => {
      if (isRunning || stopping.signal.aborted) return
      isRunning = true
      stopListening = engine.onDue(() => void claimDue())
      void claimDue()
    },
    runDue: async ({ maxMs = Number.POSITIVE_INFINITY } = {}) => {
      const before = begun
      const endsAt = clock.now() + maxMs
      runsEndAt = Math.max(runsEndAt, endsAt)
      runs += 1
      let known: number
      do {
        known = begun
        await claimDue()
        await allEnded()
      } while (clock.now() < endsAt && begun > known)
      runs -= 1
      if (runs === 0) runsEndAt = 0
      return begun - before
    },
    close: async (graceMs = defaultGraceMs) => {
      stopListening()
      isRunning = false
      stopping.abort()
      const grace = new AbortController()
      // What a claim under way still brings is given back by those who begin on it.
      const drained = claimed.then(allEnded)
      await Promise.race([drained, clock.sleep(graceMs, grace.signal)])
      grace.abort()
      // Broken off before it is given back, or another process would try it beside this one.
      over.abort()
      const left = leases.all()
      if (left.length === 0) return
      logger.warn(
        { deliveries: left.length },
        'closed with tries under way; they are made again at the next start',
      )
      for (const lease of left) leases.drop(lease)
      await engine.release(left).catch((error: Error) => {
        logger.error(traceOf(error), 'deliveries under way could not be given back')
      })
    },
  }
}
