// Ten tries, then the email, as one promise with no store: for scripts. What waits here is lost when the
// process ends.
import { z } from 'zod'
import { type Clock, systemClock } from './clock.ts'
import type { Attempt, Delivery, Mail, MailOutcome, Reason } from './delivery.ts'
import { dispatcherShape } from './dispatcher.ts'
import { OptionsError } from './errors.ts'
import type { SmsEvent } from './event.ts'
import { enclose, listed } from './fallback/attachment.ts'
import { type LetterForm, sendAs } from './fallback/forms.ts'
import { letter, messageIdFor } from './fallback/letter.ts'
import type { Mailer } from './fallback/mailer.ts'
import { nextMailStep } from './fallback/schedule.ts'
import { type DeliverTo, defaultFormat, formats, policies } from './formats.ts'
import { checkOptions } from './options.ts'
import { type DispatchMessage, eventOf } from './outbound/dispatch.ts'
import { createGuard } from './outbound/guard.ts'
import { createTarget, deliverToSchema, type Target } from './outbound/targets.ts'
import { runTries } from './outbound/tries.ts'
import { createWebhook } from './outbound/webhook.ts'
import { fixedRecipients, recipientsOf } from './recipients.ts'

export type DeliverOptions = {
  /** Sends the email to the endpoint's `email` or `fallback.to`; without it there is none. */
  mailer?: Mailer | undefined
  clock?: Clock | undefined
}

const optionsSchema = z
  .strictObject({
    mailer: z
      .custom<Mailer>((value) => typeof (value as Mailer | null)?.send === 'function')
      .describe('what createMailer returns')
      .optional(),
    clock: dispatcherShape.clock,
  })
  .describe('{ mailer }, or nothing')

export type Delivered = {
  /** Whether the endpoint took it, the mail server took the email instead, or neither did. */
  state: 'delivered' | 'emailed' | 'failed'
  /** The tries, the first one first; none for an email address. */
  attempts: Attempt[]
  /** What came of the email; null when none was owed, or there was nobody to write to. */
  mail: MailOutcome | null
}

const unstored = {
  id: 'unstored',
  state: 'pending',
  interruptions: 0,
  round: 1,
  endedAt: null,
  mailId: null,
} as const

/** What comes of a function `to` that rejects, or returns something that is no address. */
const noRecipient: MailOutcome = {
  type: 'error',
  code: 'recipient',
  permanent: true,
  operator: false,
  message: 'the recipient of the email could not be found',
}

/** Tries until the endpoint took it; null then, else why the tries are over. */
const tryAll = async (
  delivery: Delivery,
  event: SmsEvent,
  target: Target,
  attempts: Attempt[],
  clock: Clock,
) => {
  let reason: Reason | null = null
  await runTries({
    delivery,
    policy: target.policy,
    moment: () => ({ now: clock.now(), random: Math.random() }),
    attempt: (n) => target.attempt(event, n),
    record: async (attempt, decision) => {
      if (attempt) attempts.push(attempt)
      if (decision.to === 'fallback') reason = decision.reason
      return true
    },
    wait: async (dueAt) => {
      await clock.sleep(dueAt - clock.now())
      return true
    },
  })
  return reason as Reason | null
}

/**
 * Delivers one message, or a whole event, to one endpoint: as many tries as its policy has, then the email. Resolves when either
 * has arrived or both have failed, which may take days with a mail server that is down. Throws an OptionsError.
 */
export const deliver = async (
  message: DispatchMessage,
  endpoint: DeliverTo,
  options: DeliverOptions = {},
): Promise<Delivered> => {
  const { mailer, clock = systemClock } = checkOptions(optionsSchema, options, 'options')
  const event = eventOf(message, clock)
  const entry = checkOptions(deliverToSchema, endpoint, 'endpoint')
  if (!mailer && (entry.email ?? entry.fallback)) {
    const words = 'wants an email, but there is no mailer; write { mailer: createMailer({ smtp, from }) }'
    throw new OptionsError('options-invalid', `\`endpoint\` ${words}`)
  }
  const webhook = createWebhook({ clock, guard: createGuard() })
  const mailTo = fixedRecipients(entry.fallback?.to)?.[0] ?? null
  const target = createTarget(
    'endpoint',
    { ...entry, events: [event.type] },
    {
      clock,
      webhook,
      formats,
      defaultFormat,
      policies,
      mailTo: () => mailTo,
    },
  )
  const createdAt = clock.now()
  const delivery: Delivery = {
    ...unstored,
    eventId: event.id,
    endpoint: target.endpoint,
    tries: 0,
    createdAt,
    dueAt: createdAt,
    reason: null,
  }

  const attempts: Attempt[] = []
  const reason = entry.email ? 'direct' : await tryAll(delivery, event, target, attempts, clock)
  await webhook.close()
  if (reason === null) return { state: 'delivered', attempts, mail: null }
  if (!mailer || target.recipients === null) return { state: 'failed', attempts, mail: null }

  const { gateway, identity } = event
  const { domain } = mailer
  const to = await recipientsOf(target.recipients, event).catch(() => null)
  if (to === null) return { state: 'failed', attempts, mail: noRecipient }
  const messageId = messageIdFor({ gateway, identity, endpointId: target.endpoint.id, round: 1 }, domain)
  const mail: Pick<Mail, 'to' | 'messageId' | 'createdAt' | 'tries'> = {
    to,
    messageId,
    createdAt: clock.now(),
    tries: 0,
  }
  const story = { event, delivery: { ...delivery, tries: attempts.length, reason }, attempts }
  const compose = async (form: LetterForm) =>
    letter([story], {
      mail,
      domain,
      subjectWords: true,
      stored: false,
      enclosed: form === 'whole' ? await enclose([event]) : listed([event]),
      successAt: () => target.policy.success,
      form,
    })
  for (;;) {
    const outcome = await sendAs('whole', compose, mailer)
    const next = nextMailStep(mail, outcome, { now: clock.now(), random: Math.random() })
    if (next.to === 'sent') return { state: 'emailed', attempts, mail: outcome }
    if (next.to === 'failed') return { state: 'failed', attempts, mail: outcome }
    mail.tries += 1
    await clock.sleep(next.dueAt - clock.now())
  }
}
