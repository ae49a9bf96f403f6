// The clock of the machine is set forward or back by hours while deliveries are in work, held in memory and parked:
// nothing is tried twice at once, and nothing waits for the hours that the clock was set back by.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Outcome } from '../../lib/delivery.ts'
import type { Engine } from '../../lib/engine.ts'
import { sqlite } from '../../lib/engines/sqlite.ts'
import { createPostman } from '../../lib/fallback/postman.ts'
import { createDispatcher } from '../../lib/outbound/dispatcher.ts'
import { defaultWish } from '../../lib/outbound/select.ts'
import { policies } from '../../lib/policies.ts'
import { createSignals } from '../../lib/signals.ts'
import { deferred } from '../support/deferred.ts'
import { answer, mail, refused } from '../support/dispatching.ts'
import { smsEvent, webhookEndpoint } from '../support/events.ts'
import { type ManualClock, manualClock, settled } from '../support/manual-clock.ts'
import { recorder } from '../support/recorder.ts'

const hour = 3_600_000
const jumps = [3 * hour, -3 * hour]

let folder: string
let clock: ManualClock
let engine: Engine
const logger = recorder()

const open = async (): Promise<void> => {
  engine = sqlite(join(folder, 'sms.db'))
  await engine.open({ clock, logger })
}
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'smshook-clock-'))
  clock = manualClock(Date.now())
  await open()
})
afterEach(async () => {
  await engine.close()
  rmSync(folder, { recursive: true })
})

/** Lets the engine answer all it was asked, and what follows from that. */
const answered = async () => {
  for (let turn = 0; turn < 5; turn += 1) {
    await engine.counts()
    await settled(1)
  }
}
/** Turns the hands in steps, as short as the engine's own looks at the clock. */
const pass = async (ms: number) => {
  for (let left = ms; left > 0; left -= 500) {
    await clock.advance(Math.min(left, 500))
    await answered()
  }
}

/** `attempt` without a promise to end a try: the test ends it. */
const delivering = (attempt: (n: number) => Outcome | Promise<Outcome>) => {
  const tried: number[] = []
  const target = {
    endpoint: webhookEndpoint(),
    wish: defaultWish,
    policy: policies.sms,
    concurrency: 10,
    recipients: null,
    attempt: async (_event: unknown, n: number) => {
      tried.push(n)
      return attempt(n)
    },
  }
  const dispatcher = createDispatcher({
    engine,
    resolve: () => target,
    targets: [target],
    fallback: async () => mail,
    clock,
    logger,
    emit: createSignals(logger).emit,
    random: () => 0,
  })
  dispatcher.start()
  return { dispatcher, tried }
}
const owe = async () => {
  const event = smsEvent()
  await engine.accept([{ event, endpoints: [webhookEndpoint()] }])
  await answered()
  return event
}
const deliveryOf = async (id: string) => (await engine.find(id))!.deliveries[0]!

describe.each(jumps)('a jump by %d ms', (jump) => {
  test('leaves a try under way alone: it is not made again, and its outcome counts', async () => {
    const ended = deferred<Outcome>()
    const { dispatcher, tried } = delivering(() => ended.promise)
    const { id } = await owe()
    clock.jump(jump)
    await pass(60_000)
    expect(tried).toEqual([1])
    ended.resolve(answer(200))
    await answered()
    const { delivery, attempts } = await deliveryOf(id)
    expect(delivery).toMatchObject({ state: 'delivered', tries: 1, interruptions: 0 })
    expect(attempts).toHaveLength(1)
    await dispatcher.close()
  })

  test('leaves a wait in memory as long as it was', async () => {
    const { dispatcher, tried } = delivering((n) => (n === 1 ? refused : answer(200)))
    const { id } = await owe()
    await pass(2_000)
    clock.jump(jump)
    await pass(2_500)
    expect(tried).toEqual([1])
    await pass(500)
    expect(tried).toEqual([1, 2])
    expect((await deliveryOf(id)).delivery).toMatchObject({ state: 'delivered', interruptions: 0 })
    await dispatcher.close()
  })

  test('leaves a mail under way alone: it goes out once', async () => {
    const sent = deferred<{ type: 'sent'; response: string; rejected: string[] }>()
    let sends = 0
    const send = () => {
      sends += 1
      return sent.promise
    }
    const emit = createSignals(logger).emit
    const mailer = { send, verify: async () => null }
    const compose = () => ({}) as never
    const postman = createPostman({ engine, mailer, compose, digests: null, clock, logger, emit })
    await owe()
    const [claim] = await engine.claim({ limit: 1, leaseMs: 30_000, room: { default: 1, of: {} } })
    await engine.settle(claim!.lease, null, { to: 'mailing', reason: 'spent', mail })
    postman.start()
    await answered()
    clock.jump(jump)
    await pass(120_000)
    expect(sends).toBe(1)
    sent.resolve({ type: 'sent', response: '250 well', rejected: [] })
    await answered()
    expect(await engine.counts()).toMatchObject({ mails: { sent: 1 }, deliveries: { emailed: 1 } })
    await postman.stop(0)
  })
})

/** Fails three times, so that the fourth try, a minute later, is parked. */
const parked = async () => {
  const failing = delivering((n) => (n <= 4 ? refused : answer(200)))
  const event = await owe()
  await pass(51_000)
  expect(failing.tried).toEqual([1, 2, 3, 4])
  return { ...failing, event }
}

test('a jump back makes what is parked wait no longer than planned', async () => {
  const { dispatcher, tried, event } = await parked()
  await pass(10_000)
  clock.jump(-3 * hour)
  await pass(47_000)
  expect(tried).toHaveLength(4)
  await pass(4_000)
  expect(tried).toEqual([1, 2, 3, 4, 5])
  expect((await deliveryOf(event.id)).delivery).toMatchObject({ state: 'delivered', interruptions: 0 })
  await dispatcher.close()
})

test('a jump forward makes what is parked due, once', async () => {
  const { dispatcher, tried } = await parked()
  clock.jump(3 * hour)
  await pass(10_000)
  expect(tried).toEqual([1, 2, 3, 4, 5])
  await dispatcher.close()
})

test('a mail that waits for its next attempt waits no longer either', async () => {
  await owe()
  const [claim] = await engine.claim({ limit: 1, leaseMs: 30_000, room: { default: 1, of: {} } })
  await engine.settle(claim!.lease, null, { to: 'mailing', reason: 'spent', mail })
  const [due] = await engine.claimMails({ limit: 1, leaseMs: 30_000 })
  const outcome = {
    type: 'error',
    code: 'connection',
    permanent: false,
    operator: false,
    message: '',
  } as const
  await engine.settleMail(due!.lease, outcome, { to: 'retry', dueAt: clock.now() + 60_000 })
  clock.jump(-3 * hour)
  await pass(61_000)
  expect(await engine.claimMails({ limit: 1, leaseMs: 30_000 })).toHaveLength(1)
})

test('of several processes one moves what waits', async () => {
  const { dispatcher, event } = await parked()
  const before = (await deliveryOf(event.id)).delivery.dueAt!
  const owner = engine
  await open()
  const other = engine
  engine = owner
  await other.counts()
  clock.jump(-3 * hour)
  // Whoever notices first.
  await other.counts()
  await pass(2_000)
  expect(before - (await deliveryOf(event.id)).delivery.dueAt!).toBeLessThanOrEqual(3 * hour)
  expect(before - (await deliveryOf(event.id)).delivery.dueAt!).toBeGreaterThan(3 * hour - 2_000)
  await dispatcher.close()
  await other.close()
})

test('nor does anything wait when the clock was set back while no process ran', async () => {
  const { dispatcher, event } = await parked()
  await dispatcher.close()
  await engine.close()
  clock.jump(-3 * hour)
  await open()
  const { dispatcher: next, tried } = delivering(() => answer(200))
  // The sign of life that tells is given twice in a second of real time, of which hardly one has passed here.
  await pass(120_000)
  expect(tried).toEqual([5])
  expect((await deliveryOf(event.id)).delivery).toMatchObject({ state: 'delivered', interruptions: 0 })
  await next.close()
})

test('a second back, as a leap second is, changes no due time', async () => {
  const { dispatcher, event } = await parked()
  const before = (await deliveryOf(event.id)).delivery.dueAt
  clock.jump(-1_000)
  await pass(3_000)
  expect((await deliveryOf(event.id)).delivery.dueAt).toBe(before)
  await dispatcher.close()
})
