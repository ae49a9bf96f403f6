// The fallback as one part: which mail is owed for a message, the postman that sends it, and the test mail.
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Delivery, Endpoint, MailOutcome, NewMail, Policy } from '../delivery.ts'
import type { DigestRule } from '../digest.ts'
import type { Engine } from '../engine.ts'
import type { SmsEvent } from '../event.ts'
import type { Logger } from '../logger.ts'
import { fixedRecipients, type Recipients, recipientsOf, recipientsSchema } from '../recipients.ts'
import type { Emit } from '../signals.ts'
import { isZone } from '../zone.ts'
import { enclose, type FetchFiles, listed } from './attachment.ts'
import { letter, messageIdFor, testLetter } from './letter.ts'
import { mailboxSchema } from './mailbox.ts'
import { createMailer, type MailerOptions, smtpSchema } from './mailer.ts'
import { createPostman, type Postman } from './postman.ts'

export type FallbackOptions = Pick<MailerOptions, 'smtp' | 'from'> & {
  /** Who gets the message when the tries are spent: an address, several, or a function of the event. */
  to: Recipients | undefined
  /** IANA time zone of the times in the email, such as `Australia/Sydney`. Default: the host's. */
  zone?: string | undefined
  /** Whether the subject shows the first words of the message. Default: true. */
  subjectWords?: boolean | undefined
  /**
   * Whether files that a message names by an address are fetched and attached, when the email is written. The
   * addresses are strangers'; they may only be public ones, or those in `allowAddresses`. Default: false.
   */
  fetchMedia?: boolean | undefined
  /**
   * Emails to the same recipients within an hour; the messages that follow are gathered, and each digest holds
   * them in full. false: every message is an email of its own, however many. Default: 60.
   */
  mailsPerHour?: number | false | undefined
}

const defaultMailsPerHour = 60

/** Our choices: a phone buzzes every five minutes, and a digest can still be read, and sent. */
const digestsAfter = (mailsPerHour: number): DigestRule => ({
  mailsPerHour,
  waitMs: 5 * 60_000,
  // A letter of a hundred takes 16 ms to write, for which the host has to wait.
  mostMessages: 100,
  mostBytes: 4 * 1024 * 1024,
})

export const fallbackSchema = z.strictObject({
  smtp: smtpSchema,
  from: mailboxSchema,
  to: recipientsSchema,
  zone: z.string().refine(isZone, "write an IANA time zone such as 'Australia/Sydney'").optional(),
  subjectWords: z.boolean().describe('true or false').optional(),
  fetchMedia: z.boolean().describe('true or false').optional(),
  mailsPerHour: z
    .union([z.literal(false), z.number().int().min(1)])
    .describe('a whole number, 1 or more, or false')
    .optional(),
})

type Parts = {
  options: FallbackOptions
  engine: Pick<Engine, 'claimMails' | 'settleMail' | 'renew' | 'release' | 'onDue'>
  /** What counts as delivered at an endpoint; the letter says so. */
  successAt(endpoint: Endpoint): Policy['success']
  /** The endpoint as it was tried last, which is not always as it was stored. */
  current(endpoint: Endpoint): Endpoint
  /** Used only where `options` ask for it. */
  fetchFiles: FetchFiles
  clock: Clock
  logger: Logger
  emit: Emit
}

export type Fallback = Postman & {
  /** The address that is known without an event; null when `to` is a function. */
  fixedTo: string | null
  /** The mail owed for a delivery. `own` are the endpoint's recipients, null for the general ones. */
  owe(story: { event: SmsEvent; delivery: Delivery }, own: Recipients | null): Promise<NewMail>
  /** Sends one marked mail now. `to` is needed when the option is a function of the event. */
  test(to?: string | string[]): Promise<MailOutcome>
  close(graceMs: number): Promise<void>
}

/** `options` are checked with `fallbackSchema` by whoever takes them from the developer. */
export const createFallback = ({
  options,
  engine,
  successAt,
  current,
  fetchFiles,
  clock,
  logger,
  emit,
}: Parts): Fallback => {
  const { smtp, from, zone, subjectWords = true, fetchMedia = false } = options
  const { mailsPerHour = defaultMailsPerHour } = options
  const to = options.to!
  const mailer = createMailer({ smtp, from, clock })
  const { domain } = mailer
  const postman = createPostman({
    engine,
    mailer,
    digests: mailsPerHour === false ? null : digestsAfter(mailsPerHour),
    compose: async ({ mail, stories }, form) => {
      const events = stories.map(({ event }) => event)
      const enclosed =
        form === 'whole' ? await enclose(events, fetchMedia ? fetchFiles : null) : listed(events)
      return letter(
        stories.map(({ delivery, ...story }) => ({
          ...story,
          delivery: { ...delivery, endpoint: current(delivery.endpoint) },
        })),
        { mail, domain, zone, subjectWords, stored: true, successAt, enclosed, form },
      )
    },
    clock,
    logger,
    emit,
  })

  return {
    ...postman,
    fixedTo: fixedRecipients(to)?.[0] ?? null,
    owe: async ({ event, delivery }, own) => {
      const { gateway, identity } = event
      const { round, endpoint } = delivery
      const messageId = messageIdFor({ gateway, identity, endpointId: endpoint.id, round }, domain)
      return { to: await recipientsOf(own ?? to, event), messageId }
    },
    test: async (wished) => {
      const addresses = fixedRecipients(wished ?? to) ?? []
      const messageId = messageIdFor(
        { gateway: 'test', identity: String(clock.now()), endpointId: 'test', round: 1 },
        domain,
      )
      return mailer.send(testLetter({ mail: { to: addresses, messageId, createdAt: clock.now() }, domain }))
    },
    close: async (graceMs) => {
      await postman.stop(graceMs)
      mailer.close()
    },
  }
}
