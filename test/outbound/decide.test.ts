// What happens next with a delivery, case by case and over whole lives.
import fc from 'fast-check'
import type { Outcome, Policy } from '../../lib/delivery.ts'
import { mostInterruptions } from '../../lib/interruptions.ts'
import { type Decision, decideAfter, decideBefore, type Start } from '../../lib/outbound/decide.ts'
import { isSuccess } from '../../lib/outbound/policy.ts'
import { policies } from '../../lib/policies.ts'
import { anyPolicy, anyRandom } from '../support/policies.ts'

const { sms } = policies
const start = Date.UTC(2026, 0, 1)
const fresh = { tries: 0, interruptions: 0, round: 1, createdAt: start }
const refused: Outcome = { type: 'error', code: 'refused', message: '' }
const answer = (status: number): Outcome => ({ type: 'answer', status, retryAfter: null, excerpt: '' })

describe('before a try', () => {
  test.each<[string, Partial<typeof fresh>, Partial<Policy>, number, Start]>([
    ['a fresh one is tried', {}, {}, 0, { to: 'try' }],
    ['nine tries leave one', { tries: 9 }, {}, 0, { to: 'try' }],
    ['ten tries leave none', { tries: 10 }, {}, 0, { to: 'fallback', reason: 'spent' }],
    ['fewer are allowed than were made', { tries: 5 }, { tries: 3 }, 0, { to: 'fallback', reason: 'spent' }],
    ['nine interruptions are borne', { interruptions: 9 }, {}, 0, { to: 'try' }],
    ['ten are not', { interruptions: 10 }, {}, 0, { to: 'fallback', reason: 'interrupted' }],
    ['just before the deadline', {}, { fallbackAfterMs: 1000 }, 999, { to: 'try' }],
    ['at the deadline', {}, { fallbackAfterMs: 1000 }, 1000, { to: 'fallback', reason: 'deadline' }],
    ['a replay knows no deadline', { round: 2 }, { fallbackAfterMs: 1000 }, 5000, { to: 'try' }],
  ])('%s', (_name, standing, policy, age, expected) => {
    expect(decideBefore({ ...fresh, ...standing }, { ...sms, ...policy }, start + age)).toEqual(expected)
  })
})

describe('after a try', () => {
  const next = (
    outcome: Outcome,
    standing: Partial<typeof fresh> = {},
    policy: Partial<Policy> = {},
    age = 0,
  ) => decideAfter({ ...fresh, ...standing }, outcome, { ...sms, ...policy }, { now: start + age, random: 0 })

  test.each<[string, Decision, Decision]>([
    ['200 delivers', next(answer(200)), { to: 'delivered' }],
    ['a handler that is done delivers', next({ type: 'done' }), { to: 'delivered' }],
    ['the tenth try may deliver', next(answer(200), { tries: 9 }), { to: 'delivered' }],
    [
      'success after the deadline delivers',
      next(answer(200), {}, { fallbackAfterMs: 1 }, 9),
      { to: 'delivered' },
    ],
    ['500 is tried again', next(answer(500)), { to: 'retry', dueAt: start + 5_000 }],
    ['no answer is tried again', next(refused, { tries: 1 }), { to: 'retry', dueAt: start + 15_000 }],
    ['the tenth failure ends', next(answer(500), { tries: 9 }), { to: 'fallback', reason: 'spent' }],
    ['410 is nothing special by default', next(answer(410)), { to: 'retry', dueAt: start + 5_000 }],
    [
      'an answer can end the tries',
      next(answer(410), {}, { endOn: [410] }),
      { to: 'fallback', reason: 'gone' },
    ],
    ['even the last', next(answer(410), { tries: 9 }, { endOn: [410] }), { to: 'fallback', reason: 'gone' }],
    ['but not when it is success', next(answer(200), {}, { endOn: [200] }), { to: 'delivered' }],
    [
      'past the deadline',
      next(refused, {}, { fallbackAfterMs: 9 }, 9),
      { to: 'fallback', reason: 'deadline' },
    ],
    [
      'the deadline shortens a wait',
      next(refused, {}, { fallbackAfterMs: 999 }),
      { to: 'retry', dueAt: start + 999 },
    ],
    [
      'never lengthens it',
      next(refused, {}, { fallbackAfterMs: 9_999 }),
      { to: 'retry', dueAt: start + 5_000 },
    ],
  ])('%s', (_name, decision, expected) => {
    expect(decision).toEqual(expected)
  })
})

describe('a whole life', () => {
  const anyOutcome: fc.Arbitrary<Outcome> = fc.oneof(
    fc.constant<Outcome>({ type: 'done' }),
    fc.constant(refused),
    fc.record({
      type: fc.constant('answer' as const),
      status: fc.integer({ min: 200, max: 599 }),
      retryAfter: fc.option(fc.oneof(fc.string(), fc.bigInt().map(String))),
      excerpt: fc.constant(''),
    }),
  )
  /** What the world does each time the delivery is claimed: answers, or kills the process. */
  const anyTurn = fc.record({
    kind: fc.constantFrom('try', 'try', 'try', 'interruption'),
    outcome: anyOutcome,
    random: anyRandom,
    lateMs: fc.nat(1000),
  })

  test('ends within its tries, never early, and by the deadline', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(anyTurn, { minLength: 40, maxLength: 40 }), (policy, turns) => {
        const standing = { ...fresh }
        const deadlineAt = start + (policy.fallbackAfterMs ?? Number.POSITIVE_INFINITY)
        let now = start
        let outcomes = 0
        for (const { kind, outcome, random, lateMs } of turns) {
          now += lateMs
          const before = decideBefore(standing, policy, now)
          if (before.to === 'fallback') return
          expect(before).toEqual({ to: 'try' })
          expect(now).toBeLessThan(deadlineAt)
          if (kind === 'interruption') {
            standing.interruptions += 1
            continue
          }
          outcomes += 1
          const decision = decideAfter(standing, outcome, policy, { now, random })
          standing.tries += 1
          expect(outcomes).toBeLessThanOrEqual(policy.tries)
          expect(decision.to === 'delivered').toBe(isSuccess(policy, outcome))
          if (decision.to !== 'retry') return
          const planned = policy.delaysMs[Math.min(outcomes, policy.delaysMs.length) - 1] ?? 0
          expect(decision.dueAt).toBeGreaterThanOrEqual(Math.min(now + planned, deadlineAt))
          expect(decision.dueAt).toBeLessThanOrEqual(deadlineAt)
          now = decision.dueAt
        }
        // Twenty tries at the most and ten interruptions: forty turns must have ended it.
        throw new Error('it went on')
      }),
      { numRuns: 500 },
    )
  })

  test('ten interruptions end it although no try has an outcome', () => {
    const standing = { ...fresh, interruptions: mostInterruptions }
    expect(mostInterruptions).toBe(10)
    expect(decideBefore(standing, sms, start)).toEqual({ to: 'fallback', reason: 'interrupted' })
  })
})
