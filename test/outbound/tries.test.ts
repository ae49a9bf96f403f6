// The loop of tries by itself, as `deliver` runs it without a store.
import type { Attempt, Delivery, Outcome } from '../../lib/delivery.ts'
import type { Decision } from '../../lib/outbound/decide.ts'
import { runTries } from '../../lib/outbound/tries.ts'
import { policies } from '../../lib/policies.ts'
import { answer, refused } from '../support/dispatching.ts'
import { story } from '../support/stories.ts'

const start = Date.UTC(2026, 0, 1)
const fresh: Delivery = { ...story().delivery, tries: 0, interruptions: 0, round: 1, createdAt: start }

/** Runs the tries against what `outcomeOf` answers; waiting takes no time but moves the clock. */
const running = (
  outcomeOf: (n: number) => Outcome | Promise<Outcome>,
  parts: Partial<Parameters<typeof runTries>[0]> & { tookMs?: number } = {},
) => {
  let now = start
  const { tookMs = 0 } = parts
  const recorded: [Attempt | null, Decision][] = []
  const triedAt: number[] = []
  const ended = runTries({
    delivery: fresh,
    policy: policies.sms,
    moment: () => ({ now, random: 0 }),
    attempt: async (n) => {
      triedAt.push(now - start)
      now += tookMs
      return outcomeOf(n)
    },
    record: async (attempt, decision) => {
      recorded.push([attempt, decision])
      return true
    },
    wait: async (dueAt) => {
      now = dueAt
      return true
    },
    ...parts,
  })
  return { ended, recorded, triedAt }
}

test('ten tries over 1910 s, then no more', async () => {
  const { ended, recorded, triedAt } = running(() => refused)
  await ended
  expect(triedAt).toHaveLength(10)
  expect(triedAt.at(-1)).toBe(1_910_000)
  expect(recorded.map(([attempt]) => attempt?.n)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(recorded.at(-1)![1]).toEqual({ to: 'fallback', reason: 'spent' })
})

test.each([
  ['what it took', 250, 250],
  ['nothing less than no time where the clock was set back', -250, 0],
])('an attempt says when it began and %s', async (_name, tookMs, expected) => {
  const { ended, recorded } = running(() => answer(200), { tookMs })
  await ended
  expect(recorded[0]![0]).toEqual({ n: 1, startedAt: start, tookMs: expected, outcome: answer(200) })
})

test('the first success ends them', async () => {
  const { ended, recorded } = running((n) => answer(n === 3 ? 200 : 500))
  await ended
  expect(recorded.map(([, { to }]) => to)).toEqual(['retry', 'retry', 'delivered'])
})

test('tries of before count', async () => {
  const { ended, triedAt, recorded } = running(() => refused, { delivery: { ...fresh, tries: 8 } })
  await ended
  expect(triedAt).toHaveLength(2)
  expect(recorded.map(([attempt]) => attempt?.n)).toEqual([9, 10])
})

test('when nothing is left to try, that is recorded without an attempt', async () => {
  const { ended, triedAt, recorded } = running(() => refused, { delivery: { ...fresh, tries: 10 } })
  await ended
  expect(triedAt).toEqual([])
  expect(recorded).toEqual([[null, { to: 'fallback', reason: 'spent' }]])
})

test('the delivery that was given is left as it was', async () => {
  const delivery = { ...fresh }
  await running(() => refused, { delivery }).ended
  expect(delivery).toEqual(fresh)
})

test.each(['record', 'wait'] as const)('%s may end them', async (name) => {
  const { ended, triedAt } = running(() => refused, { [name]: async () => false })
  await ended
  expect(triedAt).toHaveLength(1)
})

test.each<[string, unknown]>([
  ['an Error', new Error('broken')],
  ['a TypeError', new TypeError('broken')],
])('%s from a part that was handed in is thrown, and ends them', async (_name, error) => {
  const fails = async () => {
    throw error
  }
  for (const name of ['attempt', 'record', 'wait'] as const) {
    const { ended, triedAt } = running(() => refused, { [name]: fails })
    await expect(ended).rejects.toBe(error)
    expect(triedAt.length).toBeLessThanOrEqual(1)
  }
})
