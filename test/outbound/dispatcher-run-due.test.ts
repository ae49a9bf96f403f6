// `runDue`, for cron and serverless hosts: does what is due and leaves nothing in memory.

import { answer, dispatching, refused } from '../support/dispatching.ts'
import { webhookEndpoint } from '../support/events.ts'

test('it does what is due and says how much that was, without a start', async () => {
  const { dispatcher, owe, engine } = dispatching({ crm: { answer: () => answer(200) } })
  owe('crm', 30)
  owe(webhookEndpoint({ kind: 'email', id: 'owner' }), 2)
  expect(await dispatcher.runDue()).toBe(32)
  const states = engine.rows.map(({ delivery }) => delivery.state)
  expect(states).toEqual([...Array(30).fill('delivered'), 'mailing', 'mailing'])
  expect(await dispatcher.runDue()).toBe(0)
})

test('it holds nothing: even a short wait is parked', async () => {
  const { clock, dispatcher, owe, engine, tried } = dispatching({ crm: { answer: () => refused } })
  const idle = clock.waiting
  const rows = owe('crm', 3)
  expect(await dispatcher.runDue()).toBe(3)
  expect(engine.writes.map(({ next }) => next)).toEqual(
    Array(3).fill({ to: 'retry', dueAt: clock.now() + 5_000, hold: false }),
  )
  for (const row of rows) expect(row.token).toBeNull()
  await clock.advance(60_000)
  expect(tried).toHaveLength(3)
  expect(clock.waiting).toBe(idle)
  expect(await dispatcher.runDue()).toBe(3)
  expect(tried.map(({ n }) => n)).toEqual([1, 1, 1, 2, 2, 2])
})

test('it also does what a claim brings that it had not begun with', async () => {
  const { dispatcher, owe, settled, engine } = dispatching(
    { crm: { answer: () => answer(200) } },
    { concurrency: 1 },
  )
  engine.transit = () => settled(1)
  owe('crm', 3)
  expect(await dispatcher.runDue()).toBe(3)
  expect(engine.rows.map(({ delivery }) => delivery.state)).toEqual(Array(3).fill('delivered'))
})

test('a slow endpoint does not keep the others waiting', async () => {
  const { dispatcher, owe, settled, open, tried } = dispatching(
    { slow: { concurrency: 1 }, quick: { answer: () => answer(200) } },
    { concurrency: 4 },
  )
  owe('slow')
  owe('quick', 20)
  const ran = dispatcher.runDue()
  await settled(20)
  expect(tried).toHaveLength(21)
  expect(open.size).toBe(1)
  tried.find(({ endpointId }) => endpointId === 'slow')!.end(answer(200))
  expect(await ran).toBe(21)
})

test('it begins nothing more after maxMs, but finishes what it began', async () => {
  const { clock, dispatcher, owe, settled, tried, open, engine } = dispatching({ crm: { concurrency: 2 } })
  owe('crm', 10)
  const ran = dispatcher.runDue({ maxMs: 3_000 })
  await settled()
  await clock.advance(2_999)
  for (const one of open) one.end(answer(200))
  await settled()
  expect(tried).toHaveLength(4)
  await clock.advance(1)
  for (const one of open) one.end(answer(200))
  expect(await ran).toBe(4)
  expect(tried).toHaveLength(4)
  expect(engine.rows.filter(({ token }) => token !== null)).toEqual([])
})

test('maxMs is that of its own call, not of the one before', async () => {
  const { dispatcher, owe } = dispatching({ crm: { answer: () => answer(200) } })
  owe('crm')
  expect(await dispatcher.runDue()).toBe(1)
  owe('crm')
  expect(await dispatcher.runDue({ maxMs: 0 })).toBe(0)
  expect(await dispatcher.runDue({ maxMs: 1 })).toBe(1)
})

test('it keeps the leases of what takes long', async () => {
  const { clock, dispatcher, owe, settled, tried, engine } = dispatching({ crm: {} })
  const [row] = owe('crm')
  const ran = dispatcher.runDue()
  await clock.advance(100_000)
  expect(engine.calls.renew).toBe(10)
  tried[0]!.end(answer(200))
  expect(await ran).toBe(1)
  expect(row!.delivery).toMatchObject({ state: 'delivered', interruptions: 0 })
  await settled()
})

test('an engine that fails is logged, and the count is of what was done', async () => {
  const { dispatcher, owe, engine, logger } = dispatching({ crm: { answer: () => answer(200) } })
  owe('crm')
  engine.down.add('claim')
  expect(await dispatcher.runDue()).toBe(0)
  expect(logger.lines).toMatchObject([{ level: 'error' }])
  engine.down.clear()
  expect(await dispatcher.runDue()).toBe(1)
})

test('beside a started dispatcher it does its part, and holds nothing either', async () => {
  const { clock, dispatcher, owe, engine, stop } = dispatching({ crm: { answer: () => refused } })
  dispatcher.start()
  const [row] = owe('crm')
  await dispatcher.runDue()
  expect(engine.writes).toMatchObject([{ next: { to: 'retry', hold: false } }])
  await clock.advance(5_000)
  expect(row!.attempts).toHaveLength(2)
  await stop()
})

test('two at the same time share the work', async () => {
  const { dispatcher, owe, tried } = dispatching({ crm: { answer: () => answer(200) } })
  owe('crm', 30)
  await Promise.all([dispatcher.runDue(), dispatcher.runDue()])
  expect(tried).toHaveLength(30)
})
