// Claims the mails that are due, sends them and settles what came of it. It knows neither SMTP (mailer.ts)
// nor words (letter.ts), and nothing of the tries that went before.
import type { Clock } from '../clock.ts'
import type { Mail, MailNext, MailOutcome } from '../delivery.ts'
import type { DigestRule } from '../digest.ts'
import type { Engine, Lease, MailClaim } from '../engine.ts'
import { mostInterruptions } from '../interruptions.ts'
import type { Logger } from '../logger.ts'
import type { Emit } from '../signals.ts'
import { firstForm, type LetterForm, sendAs } from './forms.ts'
import type { Letter } from './letter.ts'
import type { MailError } from './mail-outcome.ts'
import { masked } from './mailbox.ts'
import { type Mailer, maxConnections } from './mailer.ts'
import { interrupted, isDivisible, nextMailStep } from './schedule.ts'

export type PostmanParts = {
  engine: Pick<Engine, 'claimMails' | 'settleMail' | 'renew' | 'release' | 'onDue'>
  mailer: Pick<Mailer, 'send' | 'verify'>
  /** May take a while, which must be bounded. */
  compose(claim: MailClaim, form: LetterForm): Letter | Promise<Letter>
  /** When mails are gathered; null: never. */
  digests: DigestRule | null
  clock: Clock
  logger: Logger
  emit: Emit
}

export type Postman = {
  /**
   * Sends what is due until nothing is, or begins nothing new from `until` on (milliseconds since the Unix epoch);
   * how many attempts it made. Never rejects.
   */
  run(until?: number): Promise<number>
  /** Runs now and whenever the engine says so, and checks the login of the mail server. */
  start(): void
  /** Claims no more and waits for the mails under way, at most `graceMs`. */
  stop(graceMs: number): Promise<void>
}

const leaseMs = 60_000
const renewMs = leaseMs / 3
/** How soon a claim that the engine refused is made again. */
const engineRetryMs = 10_000
/** A mail that went out and is not on record goes out again, so the record is tried for a while. */
const settleDelaysMs = [1_000, 5_000, 15_000]

const errorDetails = (error: unknown) => ({ code: (error as { code?: unknown } | null)?.code ?? 'unknown' })

const claimDetails = ({ mail, stories }: MailClaim) => ({
  mail: mail.id,
  to: mail.to.map(masked),
  deliveries: stories.map(({ delivery }) => delivery.id),
  endpoints: stories.map(({ delivery }) => delivery.endpoint.id),
})

const mailAfter = (mail: Mail, outcome: MailOutcome, next: MailNext, now: number): Mail => ({
  ...mail,
  state: next.to === 'sent' || next.to === 'failed' ? next.to : 'pending',
  tries: mail.tries + 1,
  dueAt: next.to === 'retry' ? next.dueAt : null,
  endedAt: next.to === 'retry' ? null : now,
  outcome,
})

export const createPostman = (parts: PostmanParts): Postman => {
  const { engine, mailer, compose, digests, clock, logger, emit } = parts
  const underway = new Map<Promise<void>, Lease>()
  const waits = new AbortController()
  let running: Promise<number> | null = null
  let woken = false
  let wake = () => {}
  let stopped = false
  let started = false
  let unlisten = () => {}
  let cancelRenewal = () => {}
  /** No lease of what is under way ends sooner. */
  let leasesEndAt = 0
  let cancelRetry = () => {}
  let engineFails = false
  let setUpFault: string | null = null

  const onEngine = (error: unknown) => {
    if (!engineFails) logger.error(errorDetails(error), 'the engine refuses mails; trying again')
    engineFails = true
  }
  const onEngineWell = () => {
    if (engineFails) logger.info({}, 'the engine gives mails again')
    engineFails = false
  }

  /** One alert for each change of what is wrong, however many mails meet it. */
  const onSetUp = (outcome: MailOutcome) => {
    if (outcome === interrupted) return
    const reached = outcome.type === 'sent' || outcome.permanent
    if (reached) {
      if (setUpFault !== null) logger.info({}, 'the mail server takes mail again')
      setUpFault = null
    } else if (outcome.operator && setUpFault !== outcome.code) {
      setUpFault = outcome.code
      logger.error(
        { code: outcome.code, reason: outcome.message },
        'the mail server refuses us: mails wait and are tried again until its settings are mended',
      )
      emit('alert', { code: `mail-${outcome.code}`, message: outcome.message })
    }
  }

  const renew = async () => {
    const endsAt = clock.now() + leaseMs
    await engine.renew([...underway.values()], leaseMs)
    leasesEndAt = endsAt
  }

  const renewLater = () => {
    cancelRenewal = clock.after(renewMs, () => {
      if (underway.size === 0) return
      renew().then(onEngineWell, onEngine)
      renewLater()
    })
  }

  const send = async (claim: MailClaim): Promise<MailOutcome> => {
    const { interruptions } = claim.mail
    if (interruptions >= mostInterruptions) return interrupted
    try {
      return await sendAs(firstForm(interruptions), (form) => compose(claim, form), mailer)
    } catch (error) {
      // Its message may quote the text of the SMS.
      const message = `the letter could not be written (${(error as Error | null)?.name ?? 'unknown'})`
      return { type: 'error', code: 'letter', permanent: false, operator: false, message }
    }
  }

  const settle = async (
    claim: MailClaim,
    outcome: MailOutcome,
    next: MailNext,
  ): Promise<'settled' | 'lost'> => {
    for (const delayMs of [...settleDelaysMs, null]) {
      try {
        const answer = await engine.settleMail(claim.lease, outcome, next)
        onEngineWell()
        return answer
      } catch (error) {
        onEngine(error)
        if (delayMs === null) break
        await clock.sleep(delayMs, waits.signal)
      }
    }
    return 'lost'
  }

  const tell = (claim: MailClaim, outcome: MailOutcome, next: MailNext) => {
    const { stories } = claim
    const mail = mailAfter(claim.mail, outcome, next, clock.now())
    const details = claimDetails(claim)
    if (outcome.type === 'sent') {
      if (outcome.rejected.length > 0)
        logger.warn(
          { ...details, rejected: outcome.rejected.map(masked) },
          'the mail server refused some recipients of a mail',
        )
      logger.info(details, 'a mail went out')
      emit('emailed', { mail, outcome, deliveryIds: stories.map(({ delivery }) => delivery.id) })
      return
    }
    const why = { ...details, code: outcome.code, reason: withoutRecipients(outcome, mail.to) }
    if (next.to === 'retry') {
      logger.warn(
        { ...why, dueAt: new Date(next.dueAt).toISOString() },
        'a mail did not get through and is tried again',
      )
      emit('mailAttempt', { mail, outcome, dueAt: next.dueAt })
      return
    }
    if (next.to === 'apart') {
      logger.warn(
        why,
        'a mail with several messages could not be sent; two go out instead, with half of them each',
      )
      return
    }
    logger.error(why, 'a mail could not be sent; its deliveries are listed as failed and can be replayed')
    if (outcome.code === 'interrupted')
      emit('alert', { code: 'mail-interrupted', message: `mail ${mail.id}: ${outcome.message}` })
    for (const { delivery } of stories)
      emit('failed', { deliveryId: delivery.id, endpointId: delivery.endpoint.id, reason: 'mail-failed' })
  }

  const deliver = async (claim: MailClaim) => {
    const outcome = await send(claim)
    const step = nextMailStep(claim.mail, outcome, { now: clock.now(), random: Math.random() })
    const isHalved = step.to === 'failed' && isDivisible(claim.stories.length, outcome)
    const next: MailNext = isHalved ? { to: 'apart' } : step
    onSetUp(outcome)
    if ((await settle(claim, outcome, next)) === 'settled') tell(claim, outcome, next)
    else
      logger.warn(
        claimDetails(claim),
        'what came of a mail is not on record; unless it was erased, it may go out again',
      )
  }

  const take = (claim: MailClaim, endsAt: number) => {
    if (underway.size === 0) {
      leasesEndAt = endsAt
      cancelRenewal()
      renewLater()
    }
    const sending = deliver(claim).finally(() => underway.delete(sending))
    underway.set(sending, claim.lease)
  }

  const claim = async (limit: number): Promise<MailClaim[]> => {
    if (stopped || limit === 0) return []
    try {
      // The clock was set forward, or the machine slept: we must not take over from ourselves.
      if (underway.size > 0 && clock.now() >= leasesEndAt) await renew()
      const claims = await engine.claimMails({ limit, leaseMs, digests })
      onEngineWell()
      return claims
    } catch (error) {
      onEngine(error)
      cancelRetry()
      if (started && !stopped) cancelRetry = clock.after(engineRetryMs, () => void run())
      return []
    }
  }

  /** Until when mails are claimed by the run that is under way. */
  let claimsEndAt = Number.POSITIVE_INFINITY

  const runWhileDue = async (): Promise<number> => {
    let attempts = 0
    for (;;) {
      woken = false
      const nextWake = new Promise<void>((resolve) => {
        wake = resolve
      })
      const endsAt = clock.now() + leaseMs
      const mayClaim = clock.now() < claimsEndAt
      const claims = await (mayClaim ? claim(maxConnections - underway.size) : [])
      for (const one of claims) take(one, endsAt)
      attempts += claims.length
      if (claims.length > 0 && underway.size < maxConnections) continue
      if (underway.size === 0) {
        if (woken && !stopped && mayClaim) continue
        // In the same turn as the last look at `woken`, so that no wake falls between.
        running = null
        return attempts
      }
      // One slow mail holds up nobody: a freed place or a mail that has become due goes on.
      await Promise.race([nextWake, ...underway.keys()])
    }
  }

  const run = (until = Number.POSITIVE_INFINITY): Promise<number> => {
    // Once it was started, it goes on by itself.
    claimsEndAt = started ? Number.POSITIVE_INFINITY : running ? Math.max(claimsEndAt, until) : until
    woken = true
    wake()
    running ??= runWhileDue()
    return running
  }

  return {
    run,
    start() {
      started = true
      unlisten = engine.onDue(() => void run())
      void run()
      void mailer.verify().then((fault) => {
        if (fault === null || stopped) return
        if (fault.operator) onSetUp(fault)
        else logger.warn({ code: fault.code, reason: fault.message }, 'the mail server could not be reached')
      })
    },
    async stop(graceMs) {
      stopped = true
      unlisten()
      cancelRetry()
      const enough = new AbortController()
      await Promise.race([running, clock.sleep(graceMs, enough.signal)])
      enough.abort()
      waits.abort()
      cancelRenewal()
      const left = [...underway.values()]
      // A mail that is cut off by an orderly end was not interrupted; it goes out again.
      if (left.length > 0) await engine.release(left).catch(onEngine)
    },
  }
}

/** The words of the mail server, which like to repeat the address they are about. */
const withoutRecipients = (outcome: MailError, recipients: readonly string[]): string =>
  recipients.reduce((text, address) => text.replaceAll(address, masked(address)), outcome.message)
