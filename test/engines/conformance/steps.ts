// The steps that the promises are told in.
import type { Attempt, Endpoint, NewMail, Outcome } from '../../../lib/delivery.ts'
import type { Claim, Engine, MailClaim, Room } from '../../../lib/engine.ts'
import type { SmsEvent } from '../../../lib/event.ts'
import { smsEvent, webhookEndpoint } from '../../support/events.ts'

export const leaseMs = 30_000

export const endpoint = (id = 'crm', fields: Partial<Endpoint> = {}): Endpoint =>
  webhookEndpoint({ id, ...fields })

/** Stores an event that is owed to the endpoints named. */
export const owe = async (engine: Engine, ...endpointIds: string[]): Promise<SmsEvent> => {
  const event = smsEvent()
  const ids = endpointIds.length > 0 ? endpointIds : ['crm']
  await engine.accept([{ event, endpoints: ids.map((id) => endpoint(id)) }])
  return event
}

export const claim = (
  engine: Engine,
  { limit = 100, ...room }: { limit?: number } & Partial<Room> = {},
): Promise<Claim[]> => engine.claim({ limit, leaseMs, room: { default: 100, of: {}, ...room } })

/** Claims the one delivery that is due. */
export const claimOne = async (engine: Engine): Promise<Claim> => {
  const claims = await claim(engine)
  expect(claims).toHaveLength(1)
  return claims[0]!
}

export const claimMails = (engine: Engine, limit = 100): Promise<MailClaim[]> =>
  engine.claimMails({ limit, leaseMs })

export const claimMail = async (engine: Engine): Promise<MailClaim> => {
  const mails = await claimMails(engine)
  expect(mails).toHaveLength(1)
  return mails[0]!
}

const answer: Outcome = { type: 'answer', status: 500, retryAfter: '30', excerpt: 'no \u0000 luck' }

export const attempt = (n = 1, fields: Partial<Attempt> = {}): Attempt => ({
  n,
  startedAt: Date.UTC(2026, 0, 1) + n,
  tookMs: 12.5,
  outcome: answer,
  ...fields,
})

export const mail: NewMail = {
  to: ['owner@example.com', 'second@example.com'],
  messageId: '<one@example.com>',
}
export const mailing = { to: 'mailing', reason: 'spent', mail } as const

/** A mail that carries one delivery whose tries are spent, not claimed yet. */
export const oweMail = async (engine: Engine): Promise<SmsEvent> => {
  const event = await owe(engine)
  const { lease } = await claimOne(engine)
  expect(await engine.settle(lease, attempt(), mailing)).toBe('settled')
  return event
}

/** The one delivery of an event, as it is stored. */
export const told = async (engine: Engine, id: string) => {
  const found = await engine.find(id)
  expect(found?.deliveries).toHaveLength(1)
  return found!.deliveries[0]!
}
