// What is owed: endpoints, deliveries, the attempts at them, and the mails that carry a message when the
// tries are spent. Shapes only; what happens next is decided in outbound/.
import { z } from 'zod'

const millis = z.number().int().nonnegative()

/** How a delivery is tried. */
export type Policy = {
  /** Tries in all, the first included; from 1 to 100. */
  tries: number
  /** Milliseconds before the second try, the third, ...; the last one repeats when the list is shorter. */
  delaysMs: number[]
  /** One deadline for a whole try, in milliseconds: DNS, connect, headers and body. */
  timeoutMs: number
  /** Which answers count as delivered: exactly this status, any 2xx, or any status below 400. */
  success: number | '2xx' | '<400'
  /** Statuses that end the tries at once; the email follows. */
  endOn: (number | '3xx' | '4xx' | '5xx')[]
  /** The longest delay that an answer's `Retry-After` can ask for, in milliseconds. */
  retryAfterMaxMs: number
  /** The email goes out this long after the delivery was owed, whatever the tries did; null: never sooner. */
  fallbackAfterMs: number | null
}

export const policySchema = z.strictObject({
  tries: z.number().int().min(1).max(100).describe('a whole number from 1 to 100'),
  delaysMs: z.array(millis).describe('a list of milliseconds'),
  timeoutMs: millis.min(1).describe('milliseconds, 1 or more'),
  success: z
    .union([z.number().int().min(200).max(299), z.literal('2xx'), z.literal('<400')])
    .describe("a status from 200 to 299, '2xx' or '<400'"),
  endOn: z
    .array(z.union([z.number().int(), z.enum(['3xx', '4xx', '5xx'])]))
    .describe("a list of HTTP statuses and of '3xx', '4xx', '5xx'"),
  retryAfterMaxMs: millis.describe('milliseconds'),
  fallbackAfterMs: millis.nullable().describe('milliseconds, or null'),
}) satisfies z.ZodType<Policy>

/** Some of a policy: what differs from another one. An option that is undefined changes nothing. */
export type PolicyChanges = { [name in keyof Policy]?: Policy[name] | undefined }

/** Who is owed events, as it is stored with a delivery: plain data, no functions. */
export type Endpoint = {
  /** The name it has in `deliverTo`, or was dispatched with. */
  id: string
  /** How it is reached. */
  kind: 'webhook' | 'handler' | 'email'
  /** Null unless it is a webhook. */
  url: string | null
  /** True when the URL arrived as data and must pass the address guard at every try. */
  guarded: boolean
  /** The name of the format posted to it; null unless it is a webhook. */
  format: string | null
  /** What the format signs with. */
  secrets: string[]
  /** The `service_id` that is posted when the gateway sent none. */
  serviceId: string | null
  /** Its own mail recipients; null means the general fallback. */
  mailTo: string[] | null
  /** What differs from its format's policy. */
  policy: PolicyChanges | null
}

/** Takes the received messages that no endpoint wants. */
export const unwantedEndpoint: Endpoint = {
  id: 'fallback',
  kind: 'email',
  url: null,
  guarded: false,
  format: null,
  secrets: [],
  serviceId: null,
  mailTo: null,
  policy: null,
}

/** The result of one try; a value, never an exception. */
export type Outcome =
  | {
      type: 'answer'
      status: number
      /** The answer's `Retry-After` as it came. */
      retryAfter: string | null
      /** The first kilobyte of the answer's body, as text. */
      excerpt: string
    }
  | { type: 'done' }
  | { type: 'error'; code: OutcomeCode; message: string }

/** Why a try got no answer. */
export type OutcomeCode =
  | 'timeout'
  | 'refused'
  | 'reset'
  | 'dns'
  | 'tls'
  | 'certificate'
  | 'blocked'
  | 'network'
  | 'protocol'
  | 'threw'

export type Attempt = {
  /** 1 for the first try of a round. */
  n: number
  /** Milliseconds since the Unix epoch. */
  startedAt: number
  /** How long it took. */
  tookMs: number
  outcome: Outcome
}

export const deliveryStates = ['pending', 'delivered', 'mailing', 'emailed', 'failed', 'cancelled'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** Why a delivery left the tries for the email, or ended. */
export type Reason =
  | 'spent' // every try failed
  | 'gone' // an answer ended the tries
  | 'deadline' // fallbackAfterMs passed
  | 'interrupted' // ten times the process died in mid-try
  | 'unwanted' // no endpoint wanted the message
  | 'direct' // the endpoint is an email address
  | 'orphaned' // its handler is no longer configured
  | 'no-fallback' // there was no address to mail it to
  | 'mail-failed' // the mail server refused the email for good

/** One event owed to one endpoint. Instants are milliseconds since the Unix epoch. */
export type Delivery = {
  id: string
  eventId: string
  endpoint: Endpoint
  state: DeliveryState
  /** Tries with an outcome in this round. */
  tries: number
  /** Leases lost without an outcome in this round. */
  interruptions: number
  /** 1, and one more for each replay. */
  round: number
  createdAt: number
  /** When the next try is due; null unless pending. */
  dueAt: number | null
  endedAt: number | null
  reason: Reason | null
  mailId: string | null
}

/** What to do with a delivery after a try; `outbound/decide.ts` chooses, the engine writes. */
export type Next =
  | { to: 'delivered' }
  /** `hold` keeps the lease for a short wait in memory; otherwise anyone may claim it once it is due. */
  | { to: 'retry'; dueAt: number; hold: boolean }
  | { to: 'mailing'; reason: Reason; mail: NewMail }
  | { to: 'failed'; reason: Reason }

export type NewMail = {
  /** Bare addresses, from configuration only. */
  to: readonly string[]
  /** With angle brackets; stays the same however often the mail is tried. */
  messageId: string
}

export type MailState = 'pending' | 'sent' | 'failed'

/** One email owed. Instants are milliseconds since the Unix epoch. */
export type Mail = {
  id: string
  to: string[]
  messageId: string
  state: MailState
  /** Sends with an outcome. */
  tries: number
  /** Leases lost without an outcome. */
  interruptions: number
  createdAt: number
  dueAt: number | null
  endedAt: number | null
  outcome: MailOutcome | null
}

/** The result of one attempt to send a mail. */
export type MailOutcome =
  | { type: 'sent'; response: string; rejected: string[] }
  | {
      type: 'error'
      /** `login`, `tls`, `connection`, `recipient`, ... in nodemailer's or our words. */
      code: string
      /** True when trying the same mail again cannot help. */
      permanent: boolean
      /** True when the mail server's set-up is at fault, not this mail. */
      operator: boolean
      message: string
    }

export type MailNext =
  | { to: 'sent' }
  | { to: 'retry'; dueAt: number }
  /** Two mails take its place, each with half of its messages: one of them may be why it did not get through. */
  | { to: 'apart' }
  | { to: 'failed' }
