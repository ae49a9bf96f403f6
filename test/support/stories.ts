// Deliveries that ended in a mail, and letters about them, to test with.
import type { Attempt, Delivery, Outcome } from '../../lib/delivery.ts'
import type { Story } from '../../lib/engine.ts'
import type { SmsEvent } from '../../lib/event.ts'
import type { LetterContext } from '../../lib/fallback/letter.ts'
import { smsEvent, webhookEndpoint } from './events.ts'

const nine = Date.UTC(2026, 0, 1, 9, 1)

/** `n` tries over 32 minutes, answered 502. */
export const failedTries = (n: number, outcome?: Outcome): Attempt[] =>
  Array.from({ length: n }, (_, index) => ({
    n: index + 1,
    startedAt: nine + (n === 1 ? 0 : Math.round((index * 32 * 60_000) / (n - 1))),
    tookMs: 12,
    outcome: outcome ?? { type: 'answer', status: 502, retryAfter: null, excerpt: 'Bad gateway' },
  }))

export const story = (
  fields: { event?: Partial<SmsEvent>; delivery?: Partial<Delivery>; attempts?: Attempt[] } = {},
): Story => {
  const event = smsEvent(fields.event)
  const attempts = fields.attempts ?? failedTries(10)
  return {
    event,
    delivery: {
      id: `delivery-of-${event.id}`,
      eventId: event.id,
      endpoint: webhookEndpoint(),
      state: 'mailing',
      tries: attempts.length,
      interruptions: 0,
      round: 1,
      createdAt: nine,
      dueAt: null,
      endedAt: null,
      reason: 'spent',
      mailId: 'mail-1',
      ...fields.delivery,
    },
    attempts,
  }
}

export const letterContext = (fields: Partial<LetterContext> = {}): LetterContext => ({
  mail: { to: ['owner@example.com'], messageId: '<abc@example.com>', createdAt: nine },
  domain: 'example.com',
  zone: 'Australia/Sydney',
  stored: true,
  enclosed: [],
  subjectWords: true,
  successAt: () => 200,
  ...fields,
})
