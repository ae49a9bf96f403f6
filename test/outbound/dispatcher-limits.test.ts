// How much is in work and in memory at once.
import fc from 'fast-check'
import type { Outcome } from '../../lib/delivery.ts'
import { deferred } from '../support/deferred.ts'
import { answer, dispatching, refused } from '../support/dispatching.ts'

describe('concurrency', () => {
  test('an endpoint has no more tries under way than its limit', async () => {
    const { dispatcher, owe, settled, open, most, tried, stop } = dispatching({
      crm: {},
      slow: { concurrency: 2 },
    })
    dispatcher.start()
    owe('crm', 30)
    owe('slow', 30)
    await settled()
    expect(most).toMatchObject({ crm: 10, slow: 2, overall: 12 })
    for (const one of open) one.end(answer(200))
    await settled(100)
    expect(tried).toHaveLength(24)
    expect(most).toMatchObject({ crm: 10, slow: 2, overall: 12 })
    await stop()
  })

  test('all endpoints together have no more than the overall limit', async () => {
    const { dispatcher, owe, settled, most, stop } = dispatching({ a: {}, b: {}, c: {} }, { concurrency: 15 })
    dispatcher.start()
    for (const id of ['a', 'b', 'c']) owe(id, 30)
    await settled()
    expect(most).toMatchObject({ overall: 15 })
    await stop()
  })

  test('an endpoint that is not configured has the default limit', async () => {
    const customer = dispatching({ customer: {} })
    const { dispatcher, owe, settled, stop } = dispatching({ crm: {} }, { resolve: customer.resolve })
    dispatcher.start()
    owe('customer', 30)
    await settled()
    expect(customer.most).toMatchObject({ customer: 10 })
    for (const one of customer.tried) one.end(answer(200))
    await stop()
  })

  test('retries that come due while a claim is under way do not add to it', async () => {
    const { clock, dispatcher, engine, owe, settled, open, most, stop } = dispatching(
      { crm: { concurrency: 4 } },
      { concurrency: 4 },
    )
    dispatcher.start()
    owe('crm', 4)
    await settled()
    for (const one of open) one.end(refused)
    await settled()
    const arrived = deferred()
    engine.transit = () => arrived.promise
    owe('crm', 4)
    await clock.advance(5_000)
    engine.transit = null
    arrived.resolve()
    await settled()
    expect(most).toEqual({ crm: 4, overall: 4 })
    for (let turn = 0; turn < 4; turn += 1) {
      for (const one of open) one.end(answer(200))
      await settled()
    }
    expect(most).toEqual({ crm: 4, overall: 4 })
    expect(engine.rows.map(({ delivery }) => delivery.state)).toEqual(Array(8).fill('delivered'))
    // No slot got lost on the way.
    owe('crm', 8)
    await settled()
    expect(open.size).toBe(4)
    await stop()
  })

  test('limits hold and everything ends, whatever the endpoints answer and when', async () => {
    const anyOutcome = fc.constantFrom<Outcome>(answer(200), answer(200), answer(500), refused)
    const run = fc.asyncProperty(
      fc.record({
        concurrency: fc.integer({ min: 1, max: 12 }),
        a: fc.integer({ min: 1, max: 5 }),
        b: fc.integer({ min: 1, max: 5 }),
        owed: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 40 }),
        outcomes: fc.array(anyOutcome, { minLength: 1, maxLength: 20 }),
        steps: fc.array(fc.integer({ min: 1, max: 20_000 }), { maxLength: 10 }),
      }),
      async ({ concurrency, a, b, owed, outcomes, steps }) => {
        const policy = { tries: 4, delaysMs: [1_000, 5_000, 16_000] }
        const entries = { a: { concurrency: a, policy }, b: { concurrency: b, policy }, c: { policy } }
        const one = dispatching(entries, { concurrency })
        const { clock, dispatcher, owe, settled, open, most, engine, tried } = one
        let asked = 0
        const endAll = async () => {
          for (const each of open) each.end(outcomes[asked++ % outcomes.length]!)
          await settled()
        }
        dispatcher.start()
        for (const id of owed) owe(id)
        for (const step of steps) {
          await clock.advance(step)
          await endAll()
        }
        const isOver = () => engine.rows.every(({ delivery }) => delivery.state !== 'pending')
        for (let turn = 0; turn < 1000 && !isOver(); turn += 1) {
          await clock.advance(1_000)
          await endAll()
        }
        expect(isOver()).toBe(true)
        expect(most.overall).toBeLessThanOrEqual(concurrency)
        expect(most.a ?? 0).toBeLessThanOrEqual(a)
        expect(most.b ?? 0).toBeLessThanOrEqual(b)
        expect(most.c ?? 0).toBeLessThanOrEqual(10)
        // As many tries as were needed and no more, each of them on record.
        for (const { event, attempts, delivery } of engine.rows) {
          expect(tried.filter(({ eventId }) => eventId === event.id)).toHaveLength(attempts.length)
          expect(attempts.length).toBeLessThanOrEqual(4)
          if (delivery.state === 'mailing') expect(attempts).toHaveLength(4)
        }
        await one.stop()
      },
    )
    await fc.assert(run, { numRuns: 60 })
  })
})

test('a slot that is given back is filled again without waiting for a wake', async () => {
  const { dispatcher, owe, settled, engine, stop } = dispatching(
    { crm: { answer: () => answer(200) } },
    { concurrency: 1 },
  )
  owe('crm', 20)
  dispatcher.start()
  await settled(100)
  expect(engine.rows.map(({ delivery }) => delivery.state)).toEqual(Array(20).fill('delivered'))
  await stop()
})

describe('a slow disk', () => {
  test('does not keep the slots from the next tries', async () => {
    const { dispatcher, owe, settled, tried, engine, stop } = dispatching(
      { crm: { answer: () => answer(200), concurrency: 2 } },
      { concurrency: 4 },
    )
    const written = deferred()
    engine.disk = () => written.promise
    owe('crm', 20)
    dispatcher.start()
    await settled(100)
    expect(tried.length).toBeGreaterThanOrEqual(4)
    expect(tried.length).toBeLessThanOrEqual(8)
    // All goes on as soon as it has written, without waiting for a wake.
    written.resolve()
    await settled(100)
    expect(engine.rows.map(({ delivery }) => delivery.state)).toEqual(Array(20).fill('delivered'))
    await stop()
  })
})

describe('waiting', () => {
  test('holds no slot: a dead endpoint does not stall a healthy one', async () => {
    const { clock, dispatcher, owe, settled, tried, stop } = dispatching(
      { dead: {}, healthy: { answer: () => answer(200) } },
      { concurrency: 12 },
    )
    const delivered = () => tried.filter(({ endpointId }) => endpointId === 'healthy').length
    dispatcher.start()
    owe('dead', 100)
    // All of the dead one's first tries fail, so that all of its retries come due at once.
    for (let turn = 0; turn < 10; turn += 1) {
      await settled(10)
      for (const one of tried) one.end(refused)
    }
    await clock.advance(5_000)
    owe('healthy', 50)
    await settled(100)
    expect(delivered()).toBe(50)
    await stop()
  })

  test('is done in memory up to holdMs, with the lease kept and renewed', async () => {
    const { clock, dispatcher, owe, settled, engine, stop } = dispatching({
      crm: { answer: () => refused, policy: { delaysMs: [15_000, 15_001] } },
    })
    dispatcher.start()
    const [row] = owe('crm')
    await settled()
    expect(engine.writes.at(-1)).toMatchObject({ next: { to: 'retry', hold: true } })
    expect(row!.token).not.toBeNull()
    expect(engine.calls.renew).toBe(0)
    await clock.advance(14_999)
    expect(engine.calls.renew).toBe(1)
    expect(engine.calls.claim).toBeGreaterThan(10)
    expect(row!.attempts).toHaveLength(1)
    await clock.advance(1)
    expect(row!.attempts).toHaveLength(2)
    expect(engine.writes.at(-1)).toMatchObject({ next: { to: 'retry', hold: false } })
    expect(row!.token).toBeNull()
    expect(row!.delivery.interruptions).toBe(0)
    await stop()
  })

  test('a longer holdMs outlasts many leases', async () => {
    const { clock, dispatcher, owe, tried, engine, stop } = dispatching(
      { crm: { answer: () => refused, policy: { delaysMs: [600_000] } } },
      { holdMs: 600_000 },
    )
    dispatcher.start()
    const [row] = owe('crm')
    await clock.advance(600_000)
    expect(tried).toHaveLength(2)
    expect(engine.calls.renew).toBeGreaterThanOrEqual(59)
    expect(row!.delivery.interruptions).toBe(0)
    await stop()
  })

  test('no more than four times the concurrency is held, the rest is parked', async () => {
    const { dispatcher, owe, settled, engine, stop } = dispatching(
      { crm: { answer: () => refused } },
      { concurrency: 3 },
    )
    dispatcher.start()
    owe('crm', 40)
    await settled(200)
    const held = engine.writes.filter(({ next }) => next.to === 'retry' && next.hold)
    expect(engine.writes).toHaveLength(40)
    expect(held).toHaveLength(12)
    await stop()
  })

  test('what ended its wait makes room for another to be held', async () => {
    const { clock, dispatcher, owe, settled, engine, stop } = dispatching(
      { crm: { answer: (n) => (n === 1 ? refused : answer(200)) } },
      { concurrency: 1 },
    )
    dispatcher.start()
    owe('crm', 4)
    await settled()
    await clock.advance(5_000)
    owe('crm', 4)
    await settled(100)
    const holds = engine.writes.flatMap(({ next }) => (next.to === 'retry' ? [next.hold] : []))
    expect(holds).toEqual(Array(8).fill(true))
    await stop()
  })

  test('while what is due to start outnumbers the slots, retries still get theirs', async () => {
    const { clock, dispatcher, owe, settled, tried, engine, stop } = dispatching(
      { crm: { concurrency: 1 } },
      { concurrency: 1 },
    )
    dispatcher.start()
    const [row] = owe('crm')
    await settled()
    tried[0]!.end(refused)
    owe('crm', 100)
    await clock.advance(5_000)
    for (let turn = 0; turn < 3; turn += 1) {
      tried.at(-1)!.end(answer(200))
      await settled()
    }
    expect(row!.delivery).toMatchObject({ state: 'delivered', tries: 2 })
    expect(engine.writes.length).toBeLessThan(10)
    await stop()
  })
})
