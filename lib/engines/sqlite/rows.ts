// The rows as SQL answers them and as they travel between threads, and how they become the contract's nouns.
// JSON stays text until here: a structured clone of deep objects costs more than parsing them.
import type { Attempt, Delivery, Mail } from '../../delivery.ts'
import type { Claim, Found, MailClaim, Page, Story } from '../../engine.ts'
import { EngineError } from '../../errors.ts'
import type { SmsEvent } from '../../event.ts'

export type DeliveryRow = Omit<Delivery, 'id' | 'eventId' | 'endpoint' | 'mailId'> & {
  seq: number
  endpoint: string
  mail: number | null
  /** The event it is about. */
  event: string
}
export type AttemptRow = Omit<Attempt, 'outcome'> & { outcome: string }
export type MailRow = Omit<Mail, 'id' | 'to' | 'outcome'> & {
  seq: number
  recipients: string
  outcome: string | null
}
export type StoryRow = { delivery: DeliveryRow; attempts: AttemptRow[] }
export type ClaimRow = { token: string; delivery: DeliveryRow }
export type MailClaimRow = { token: string; mail: MailRow; stories: StoryRow[] }
export type FoundRow = { event: string; deliveries: (StoryRow & { mail: MailRow | null })[] }
export type PageRow = { deliveries: DeliveryRow[]; cursor: string | null }

export const deliveryColumns = `d.seq, d.endpoint, d.state, d.tries, d.interruptions, d.round,
  d.created_at AS createdAt, d.due_at AS dueAt, d.ended_at AS endedAt, d.reason, d.mail`
export const attemptColumns = 'n, started_at AS startedAt, took_ms AS tookMs, outcome'
export const mailColumns = `seq, recipients, message_id AS messageId, state, tries, interruptions,
  created_at AS createdAt, due_at AS dueAt, ended_at AS endedAt, outcome`

/** Throws an EngineError, since the parser's own error quotes what it read. */
const parsed = (text: string) => {
  try {
    return JSON.parse(text)
  } catch {
    throw new EngineError('engine-failed', 'A row of the database cannot be read: what it holds is not JSON.')
  }
}

const told = (row: DeliveryRow): { event: SmsEvent; delivery: Delivery } => {
  const { seq, endpoint, mail, event: text, ...rest } = row
  const event = parsed(text) as SmsEvent
  return {
    event,
    delivery: {
      ...rest,
      id: String(seq),
      eventId: event.id,
      endpoint: parsed(endpoint),
      mailId: mail === null ? null : String(mail),
    },
  }
}

const attemptOf = (row: AttemptRow): Attempt => ({ ...row, outcome: parsed(row.outcome) })

const mailOf = ({ seq, recipients, outcome, ...rest }: MailRow): Mail => ({
  ...rest,
  id: String(seq),
  to: parsed(recipients),
  outcome: outcome === null ? null : parsed(outcome),
})

export const claimOf = ({ token, delivery }: ClaimRow): Claim => ({
  lease: { id: String(delivery.seq), token },
  ...told(delivery),
})

const storyOf = ({ delivery, attempts }: StoryRow): Story => ({
  ...told(delivery),
  attempts: attempts.map(attemptOf),
})

export const mailClaimOf = ({ token, mail, stories }: MailClaimRow): MailClaim => ({
  lease: { id: String(mail.seq), token },
  mail: mailOf(mail),
  stories: stories.map(storyOf),
})

export const foundOf = ({ event, deliveries }: FoundRow): Found => ({
  event: parsed(event),
  deliveries: deliveries.map(({ mail, ...story }) => {
    const { delivery, attempts } = storyOf(story)
    return { delivery, attempts, mail: mail && mailOf(mail) }
  }),
})

export const pageOf = ({ deliveries, cursor }: PageRow): Page => ({ items: deliveries.map(told), cursor })
