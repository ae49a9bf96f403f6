// The email that is owed when nobody can say to whom: a function of the developer that fails for now, or for
// good, must neither end a delivery nor hold it up.

import type { Attempt, NewMail, Next } from '../../lib/delivery.ts'
import type { Claim } from '../../lib/engine.ts'
import { createOutcomes } from '../../lib/outbound/outcomes.ts'
import { createSignals } from '../../lib/signals.ts'
import { mail, refused } from '../support/dispatching.ts'
import { manualClock, settled } from '../support/manual-clock.ts'
import { recorder } from '../support/recorder.ts'
import { story } from '../support/stories.ts'
import { watch } from '../support/watch.ts'

const minute = 60_000
const day = 24 * 60 * minute

const withFallback = (fallback: () => Promise<NewMail | null>) => {
  const clock = manualClock()
  const logger = recorder()
  const signals = createSignals(logger)
  const writes: { attempt: Attempt | null; next: Next }[] = []
  const outcomes = createOutcomes({
    engine: {
      settle: async (_lease, attempt, next) => {
        writes.push({ attempt, next })
        return 'settled'
      },
    },
    fallback,
    clock,
    logger,
    emit: signals.emit,
    over: new AbortController().signal,
  })
  const { event, delivery } = story({ delivery: { createdAt: clock.now(), tries: 10 } })
  const claim: Claim = { lease: { id: delivery.id, token: 'token' }, delivery, event }
  const attempt: Attempt = { n: 10, startedAt: clock.now(), tookMs: 5, outcome: refused }
  return {
    clock,
    logger,
    writes,
    signals: watch(signals.on),
    fallBack: () => outcomes.fallBack(claim, attempt, 'spent'),
    attempt,
  }
}

const fails = async () => {
  throw new Error('no such customer: +61412345678')
}
const throwsNothing = async () => {
  throw null
}
const hangs = () => new Promise<never>(() => {})

test.each([
  ['rejects', fails],
  ['rejects with nothing', throwsNothing],
  ['does not answer', hangs],
])(
  'recipients that %s are asked for again a minute later, and the attempt is on record',
  async (_name, to) => {
    const { clock, logger, writes, signals, fallBack, attempt } = withFallback(to)
    const done = fallBack()
    await clock.advance(30_000)
    expect(await done).toBe('settled')
    const [{ dueAt }] = writes.map(({ next }) => next) as [Extract<Next, { to: 'retry' }>]
    expect(writes).toEqual([{ attempt, next: { to: 'retry', dueAt, hold: false } }])
    expect(dueAt - clock.now()).toBeLessThanOrEqual(minute)
    expect(dueAt).toBeGreaterThan(clock.now())
    expect(signals.seen.map(({ name }) => name)).toEqual(['attempt'])
    expect(logger.lines).toMatchObject([{ level: 'error' }])
    expect(JSON.stringify(logger.lines)).not.toMatch(/Hello|61412345678/)
  },
)

test('after five days the delivery fails, told and logged', async () => {
  const { clock, logger, writes, signals, fallBack } = withFallback(fails)
  await clock.advance(5 * day)
  await fallBack()
  expect(writes).toMatchObject([{ next: { to: 'failed', reason: 'no-fallback' } }])
  expect(signals.seen.map(({ name }) => name)).toEqual(['attempt', 'failed'])
  expect(logger.lines.at(-1)).toMatchObject({ level: 'error' })
})

test('recipients that answer late, but in time, are taken', async () => {
  let answer = (_mail: NewMail) => {}
  const { clock, writes, fallBack } = withFallback(
    () =>
      new Promise((resolve) => {
        answer = resolve
      }),
  )
  const done = fallBack()
  await clock.advance(29_000)
  answer(mail)
  await done
  await settled()
  expect(writes).toMatchObject([{ next: { to: 'mailing', mail } }])
  expect(clock.waiting).toBe(0)
})
