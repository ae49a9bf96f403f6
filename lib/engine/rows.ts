// The rows as an engine's SQL answers them, and how they become the contract's nouns. Which columns they come from
// is said in each engine. JSON stays text until here: cloning deep objects from a thread to the next costs more than
// parsing them.
import type { Attempt, Delivery, Mail } from '../delivery.ts'
import type { Claim, Found, MailClaim, Page, Story } from '../engine.ts'
import { EngineError } from '../errors.ts'
import type { SmsEvent } from '../event.ts'

/** What tells a row of one table from the others, as the engine's SQL has it; outside it is text. */
type RowId = string | number

export type DeliveryRow = Omit<Delivery, 'id' | 'eventId' | 'endpoint' | 'mailId'> & {
  id: RowId
  endpoint: string
  mail: RowId | null
  /** The event it is about. */
  event: string
}
export type AttemptRow = Omit<Attempt, 'outcome'> & { outcome: string }
export type MailRow = Omit<Mail, 'id' | 'to' | 'outcome'> & {
  id: RowId
  recipients: string
  outcome: string | null
}
export type StoryRow = { delivery: DeliveryRow; attempts: AttemptRow[] }
export type ClaimRow = { token: string; delivery: DeliveryRow }
export type MailClaimRow = { token: string; mail: MailRow; stories: StoryRow[] }
export type FoundRow = { event: string; deliveries: (StoryRow & { mail: MailRow | null })[] }
export type PageRow = { deliveries: DeliveryRow[]; cursor: string | null }

/** Throws an EngineError, since the parser's own error quotes what it read. */
const parsed = (text: string) => {
  try {
    return JSON.parse(text)
  } catch {
    throw new EngineError('engine-failed', 'A row of the database cannot be read: what it holds is not JSON.')
  }
}

const told = (row: DeliveryRow): { event: SmsEvent; delivery: Delivery } => {
  const { id, endpoint, mail, event: text, ...rest } = row
  const event = parsed(text) as SmsEvent
  return {
    event,
    delivery: {
      ...rest,
      id: String(id),
      eventId: event.id,
      endpoint: parsed(endpoint),
      mailId: mail === null ? null : String(mail),
    },
  }
}

const attemptOf = (row: AttemptRow): Attempt => ({ ...row, outcome: parsed(row.outcome) })

const mailOf = ({ id, recipients, outcome, ...rest }: MailRow): Mail => ({
  ...rest,
  id: String(id),
  to: parsed(recipients),
  outcome: outcome === null ? null : parsed(outcome),
})

export const claimOf = ({ token, delivery }: ClaimRow): Claim => ({
  lease: { id: String(delivery.id), token },
  ...told(delivery),
})

const storyOf = ({ delivery, attempts }: StoryRow): Story => ({
  ...told(delivery),
  attempts: attempts.map(attemptOf),
})

export const mailClaimOf = ({ token, mail, stories }: MailClaimRow): MailClaim => ({
  lease: { id: String(mail.id), token },
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
