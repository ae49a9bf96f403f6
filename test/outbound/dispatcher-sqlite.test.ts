// The dispatcher on the real engine, with the clock of both in the test's hands.

import type { Outcome } from '../../lib/delivery.ts'
import type { Engine } from '../../lib/engine.ts'
import { sqlite } from '../../lib/engines/sqlite.ts'
import { createDispatcher } from '../../lib/outbound/dispatcher.ts'
import { defaultWish } from '../../lib/outbound/select.ts'
import { policies } from '../../lib/policies.ts'
import { createSignals } from '../../lib/signals.ts'
import { answer, mail, refused } from '../support/dispatching.ts'
import { smsEvent, webhookEndpoint } from '../support/events.ts'
import { type ManualClock, manualClock, settled } from '../support/manual-clock.ts'
import { recorder } from '../support/recorder.ts'
import { watch } from '../support/watch.ts'

const tenTimes = [0, 5, 20, 50, 110, 230, 470, 830, 1310, 1910].map((seconds) => seconds * 1000)

let clock: ManualClock
let engine: Engine
const logger = recorder()

beforeEach(async () => {
  clock = manualClock()
  engine = sqlite(':memory:')
  await engine.open({ clock, logger })
})
afterEach(() => engine.close())

/** Lets the engine answer all it was asked, and what follows from that. */
const answered = async () => {
  for (let turn = 0; turn < 4; turn += 1) {
    await engine.counts()
    await settled(1)
  }
}

const delivering = (outcomeOf: (n: number) => Outcome) => {
  const tried: { n: number; at: number }[] = []
  const target = {
    endpoint: webhookEndpoint(),
    wish: defaultWish,
    policy: policies.sms,
    concurrency: 10,
    recipients: null,
    attempt: async (_event: unknown, n: number) => {
      tried.push({ n, at: clock.now() })
      return outcomeOf(n)
    },
  }
  const signals = createSignals(logger)
  const dispatcher = createDispatcher({
    engine,
    resolve: () => target,
    targets: [target],
    fallback: async () => mail,
    clock,
    logger,
    emit: signals.emit,
    random: () => 0,
  })
  return { dispatcher, tried, signals: watch(signals.on) }
}
const owe = async () => {
  const event = smsEvent()
  await engine.accept([{ event, endpoints: [webhookEndpoint()] }])
  return event
}

test('ten tries at their due times, held or parked, then one email is owed', async () => {
  const start = clock.now()
  const { dispatcher, tried, signals } = delivering(() => refused)
  dispatcher.start()
  const { id } = await owe()
  for (const at of [...tenTimes, 2_000_000]) {
    // Just before it is due, so that a try that came early would show.
    if (at > 0) await clock.advance(start + at - 1 - clock.now())
    await answered()
    await clock.advance(start + at - clock.now())
    await answered()
  }
  expect(tried.map(({ n, at }) => [n, at - start])).toEqual(tenTimes.map((at, index) => [index + 1, at]))
  const [story] = (await engine.find(id))!.deliveries
  expect(story!.attempts.map(({ n, startedAt }) => [n, startedAt - start])).toEqual(
    tenTimes.map((at, index) => [index + 1, at]),
  )
  expect(story!.delivery).toMatchObject({ state: 'mailing', reason: 'spent', tries: 10, interruptions: 0 })
  expect(await engine.counts()).toMatchObject({ mails: { pending: 1 } })
  expect(signals.seen.map(({ name }) => name)).toEqual([...Array(10).fill('attempt'), 'mailing'])
  await dispatcher.close()
})

test('what is given back on close is tried by the next dispatcher at its due time, uninterrupted', async () => {
  const first = delivering(() => refused)
  first.dispatcher.start()
  const { id } = await owe()
  await answered()
  const start = clock.now()
  await first.dispatcher.close()

  const second = delivering(() => answer(200))
  second.dispatcher.start()
  for (let step = 0; step < 6; step += 1) {
    await answered()
    await clock.advance(1_000)
  }
  expect(second.tried).toEqual([{ n: 2, at: start + 5_000 }])
  const [story] = (await engine.find(id))!.deliveries
  expect(story!.delivery).toMatchObject({ state: 'delivered', tries: 2, interruptions: 0 })
  await second.dispatcher.close()
})

test('runDue parks what a started dispatcher would hold', async () => {
  const { dispatcher, tried } = delivering(() => refused)
  await Promise.all([owe(), owe(), owe()])
  expect(await dispatcher.runDue()).toBe(3)
  expect(await dispatcher.runDue()).toBe(0)
  await clock.advance(5_000)
  expect(await dispatcher.runDue()).toBe(3)
  expect(tried.map(({ n }) => n)).toEqual([1, 1, 1, 2, 2, 2])
})
