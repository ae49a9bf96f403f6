// When a mail that did not get through is sent again, and when its messages go on apart. Pure.
import type { Mail, MailNext, MailOutcome } from '../delivery.ts'
import { mostInterruptions } from '../interruptions.ts'

const minute = 60_000
const hour = 60 * minute

/** Milliseconds after the first failed attempt to send, the second, ...; the last one repeats. */
export const mailDelaysMs = [minute, 5 * minute, 15 * minute, 30 * minute, hour, 2 * hour] as const

/** A mail is given up this long after it was owed (RFC 5321, 4.5.4.1 asks for four to five days). */
export const mailGiveUpMs = 5 * 24 * hour

// A mail that was owed while nothing ran for a week has not been tried for five days.
const fewestAttempts = mailDelaysMs.length

/** Jitter only ever adds, at most this share of the delay. */
const jitter = 0.1

/**
 * What follows an attempt to send; `mail.tries` does not count it yet. `random` is from 0 (inclusive) to 1
 * (exclusive).
 */
export const nextMailStep = (
  mail: Pick<Mail, 'tries' | 'createdAt'>,
  outcome: MailOutcome,
  { now, random }: { now: number; random: number },
): Exclude<MailNext, { to: 'apart' }> => {
  if (outcome.type === 'sent') return { to: 'sent' }
  if (outcome.permanent) return { to: 'failed' }
  const attempts = mail.tries + 1
  const planned = mailDelaysMs[Math.min(attempts, mailDelaysMs.length) - 1]!
  const dueAt = now + Math.ceil(planned * (1 + jitter * random))
  const endAt = mail.createdAt + mailGiveUpMs
  if (attempts < fewestAttempts) return { to: 'retry', dueAt }
  // The last attempt is at the very end, not up to two hours before it.
  return now >= endAt ? { to: 'failed' } : { to: 'retry', dueAt: Math.min(dueAt, endAt) }
}

/** Instead of another attempt that may end as all before it. */
export const interrupted: Extract<MailOutcome, { type: 'error' }> = {
  type: 'error',
  code: 'interrupted',
  permanent: true,
  operator: false,
  message: `the process died ${mostInterruptions} times while it sent this email`,
}

/** What is wrong may be in one of the messages that a mail carries; the others must not end with it. */
const contentCodes: readonly string[] = ['message', 'size', 'letter', interrupted.code]

/** Whether a mail with so many messages is taken apart where it would be given up for this outcome. */
export const isDivisible = (messages: number, outcome: MailOutcome): boolean =>
  messages > 1 && outcome.type === 'error' && contentCodes.includes(outcome.code)
