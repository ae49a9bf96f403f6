// Sends letters; the only file that knows nodemailer, which is loaded when the first mail goes out. It knows
// neither deliveries nor retries: an attempt to send is one outcome.
import type { SMTPPoolOptions } from 'nodemailer'
import { z } from 'zod'
import { type Clock, systemClock } from '../clock.ts'
import type { MailOutcome } from '../delivery.ts'
import { checkOptions } from '../options.ts'
import { domainOf, isMailAddress } from '../recipients.ts'
import type { Letter } from './letter.ts'
import { errorOutcome, type MailError, sentOutcome } from './mail-outcome.ts'
import { type Mailbox, mailboxSchema } from './mailbox.ts'

/** A ready transporter of any nodemailer; its `createTransport` returns one. */
export type Transport = {
  sendMail(mail: object): Promise<{ response?: unknown; rejected?: unknown }>
  verify?(): Promise<unknown>
}

export type MailerOptions = {
  /**
   * The mail server: a URL such as `smtps://user:password@mail.example.com`, nodemailer's SMTP options, or a
   * ready nodemailer transporter, which is used as it is and never closed.
   */
  smtp: string | SMTPPoolOptions | Transport | undefined
  /** The sender: `sms@example.com` or `Name <sms@example.com>`. */
  from: string | undefined
  clock?: Clock
}

export type Mailer = {
  readonly from: Mailbox
  /** The sender's domain in ASCII, for what must be unique under it. */
  readonly domain: string
  /** Never rejects: whatever happens is an outcome. */
  send(letter: Letter): Promise<MailOutcome>
  /** Connects and logs in without sending; null when that works. Never rejects. */
  verify(): Promise<MailError | null>
  /** Closes its connections. A mail still under way ends as an error. */
  close(): void
}

/** Connections to the mail server at once. */
export const maxConnections = 5

// nodemailer's own are minutes, during which a mail would hold its lease and its place in the pool.
const connectTimeoutMs = 10_000
const silenceTimeoutMs = 60_000
// A server that answers a byte at a time is never silent.
const sendTimeoutMs = 10 * 60_000
// A program that has sent what it had to ends soon after.
const idleTimeoutMs = 10_000

const isTransport = (value: object): value is Transport =>
  'sendMail' in value && typeof value.sendMail === 'function'

const advice = 'write "smtps://user:password@mail.example.com", nodemailer\'s SMTP options or a transporter'

const smtpFault = (value: unknown): string | null => {
  if (value === undefined || value === '')
    return `${value === '' ? 'empty' : 'undefined'}; is SMTP_URL set? ${advice}`
  if (typeof value === 'string') {
    // The value itself may hold a password.
    return /^smtps?:$/.test(urlOf(value)?.protocol ?? '') && urlOf(value)?.hostname
      ? null
      : `a text that is no smtp:// or smtps:// URL; ${advice}`
  }
  if (typeof value !== 'object' || value === null) return `a ${typeof value}; ${advice}`
  if (isTransport(value)) return null
  const { host, service, url } = value as SMTPPoolOptions
  if (url !== undefined) return smtpFault(url)
  return host || service ? null : `an object without \`host\`; is its environment variable set? ${advice}`
}

/** Checks the `smtp` option, in words. */
export const smtpSchema = z
  .custom<NonNullable<MailerOptions['smtp']>>(() => true)
  .superRefine((value, issues) => {
    const fault = smtpFault(value)
    if (fault) issues.addIssue({ code: 'custom', message: fault })
  })

const optionsSchema = z.strictObject({
  smtp: smtpSchema,
  from: mailboxSchema,
  clock: z.custom<Clock>().optional(),
})

const urlOf = (text: string): URL | null => (URL.canParse(text) ? new URL(text) : null)

const isLocal = (host: string): boolean => /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host)

/** What goes to nodemailer: what was written, over our own defaults. */
const poolOptions = (smtp: string | SMTPPoolOptions): SMTPPoolOptions & { pool: true } => {
  const written: SMTPPoolOptions = typeof smtp === 'string' ? { url: smtp } : smtp
  const url = urlOf(written.url ?? '')
  const says = (name: string): boolean => name in written || url?.searchParams.has(name) === true
  // A URL's port decides nothing in nodemailer, and the port of TLS would be waited at in plain text.
  if (url?.port === '465' && !says('secure')) url.protocol = 'smtps:'

  const local = isLocal(url?.hostname ?? written.host ?? '')
  const encryption = ['requireTLS', 'ignoreTLS', 'opportunisticTLS'].some(says)
    ? {}
    : // On its own machine a mail server shows a certificate made for nobody or for another name.
      local
      ? { tls: { rejectUnauthorized: false } }
      : { requireTLS: true }
  return {
    maxConnections,
    connectionTimeout: connectTimeoutMs,
    greetingTimeout: connectTimeoutMs,
    dnsTimeout: connectTimeoutMs,
    socketTimeout: silenceTimeoutMs,
    idleTimeout: idleTimeoutMs,
    ...encryption,
    ...written,
    ...(url ? { url: url.href } : {}),
    pool: true,
  }
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** What must not come back in the words of a mail server. */
const secretsOf = (smtp: string | SMTPPoolOptions): string[] => {
  const written: SMTPPoolOptions = typeof smtp === 'string' ? { url: smtp } : smtp
  const url = urlOf(written.url ?? '')
  const { pass } = (written.auth ?? {}) as { pass?: unknown }
  return [typeof pass === 'string' ? pass : '', url?.password ?? '', decoded(url?.password ?? '')]
}

/** Throws an OptionsError; opens nothing until the first mail or `verify`. */
export const createMailer = (options: MailerOptions): Mailer => {
  const { smtp, from, clock = systemClock } = checkOptions(optionsSchema, options)
  const ready = typeof smtp === 'object' && isTransport(smtp) ? smtp : null
  const secrets = ready ? [] : secretsOf(smtp as string | SMTPPoolOptions)
  let opened: Promise<Transport & { close(how: { force: boolean }): void }> | null = null
  let closed = false

  const make = async () => {
    const { createTransport } = await import('nodemailer')
    const transport = createTransport(poolOptions(smtp as string | SMTPPoolOptions))
    // An idle connection that breaks concerns no mail; without a listener it would end the process.
    transport.on('error', () => {})
    return transport
  }

  const open = async (): Promise<Transport> => {
    if (closed) throw new Error('the mailer is closed')
    if (ready) return ready
    opened ??= make()
    return opened
  }

  return {
    from,
    domain: domainOf(from.address),
    async send(letter) {
      const wrong = letter.to.find((address) => !isMailAddress(address))
      if (wrong !== undefined || letter.to.length === 0) {
        const message =
          wrong === undefined ? 'the mail has no recipient' : 'a recipient is not one mail address'
        return { type: 'error', code: 'recipient', permanent: true, operator: false, message }
      }
      const silent = [...secrets, letter.subject]
      const deadline = new AbortController()
      const cancelDeadline = clock.after(sendTimeoutMs, () => deadline.abort())
      try {
        const transport = await open()
        const { to, subject, text, html, messageId, inReplyTo, references, headers, attachments, date } =
          letter
        const info = await transport.sendMail({
          // Objects are taken as they are, while a text would be read as a list of addresses.
          from,
          to: to.map((address) => ({ name: '', address })),
          subject,
          text,
          ...(html === null ? {} : { html }),
          messageId,
          inReplyTo,
          references,
          headers,
          attachments,
          date,
          disableFileAccess: true,
          disableUrlAccess: true,
          signal: deadline.signal,
        })
        return sentOutcome(info, silent)
      } catch (error) {
        return errorOutcome(error, silent)
      } finally {
        cancelDeadline()
      }
    },
    async verify() {
      try {
        await (await open()).verify?.()
        return null
      } catch (error) {
        return errorOutcome(error, secrets)
      }
    },
    close() {
      closed = true
      opened?.then(
        (transport) => transport.close({ force: true }),
        () => {},
      )
    },
  }
}
