// Closing: what is under way may finish, what waits is given back unharmed.
import { deferred } from '../support/deferred.ts'
import { answer, dispatching, refused } from '../support/dispatching.ts'

test('tries under way finish and are recorded, and nothing new is begun', async () => {
  const { clock, dispatcher, owe, settled, tried, engine, signals } = dispatching({ crm: { concurrency: 2 } })
  dispatcher.start()
  owe('crm', 5)
  await settled()
  let isClosed = false
  const closed = dispatcher.close().then(() => {
    isClosed = true
  })
  owe('crm')
  await clock.advance(9_000)
  expect(isClosed).toBe(false)
  tried[0]!.end(answer(200))
  tried[1]!.end(answer(500))
  await closed
  expect(tried).toHaveLength(2)
  expect(engine.writes).toMatchObject([{ next: { to: 'delivered' } }, { next: { to: 'retry', hold: false } }])
  expect(signals.of('attempt')).toHaveLength(2)
  await clock.advance(60_000)
  expect(tried).toHaveLength(2)
})

test('what waits in memory is given back as it was, and no interruption is counted', async () => {
  const { clock, dispatcher, owe, settled, tried } = dispatching({ crm: { answer: () => refused } })
  dispatcher.start()
  const rows = owe('crm', 3)
  await settled()
  const due = rows.map(({ delivery }) => delivery.dueAt)
  await clock.advance(1_000)
  await dispatcher.close()
  expect(tried).toHaveLength(3)
  for (const [index, row] of rows.entries()) {
    expect(row).toMatchObject({ token: null, readyAt: due[index], isTrying: false })
    expect(row.delivery).toMatchObject({ state: 'pending', tries: 1, interruptions: 0 })
  }
  await clock.advance(60_000)
  expect(tried).toHaveLength(3)
})

test('what waits for a slot is given back untried', async () => {
  const { clock, dispatcher, owe, settled, tried, engine } = dispatching(
    { crm: { concurrency: 1 } },
    { concurrency: 1 },
  )
  dispatcher.start()
  const [row] = owe('crm')
  await settled()
  tried[0]!.end(refused)
  await settled()
  owe('crm')
  await clock.advance(5_000)
  const closed = dispatcher.close()
  tried[1]!.end(answer(200))
  await closed
  expect(tried).toHaveLength(2)
  expect(row).toMatchObject({ token: null, delivery: { tries: 1, interruptions: 0 } })
  expect(engine.writes).toHaveLength(2)
})

test('after the grace the rest is given back, and what comes of it writes nothing', async () => {
  const { clock, dispatcher, owe, settled, tried, engine, logger, signals } = dispatching({ crm: {} })
  dispatcher.start()
  const [row] = owe('crm')
  await settled()
  const closed = dispatcher.close(3_000)
  await clock.advance(2_999)
  expect(row!.token).not.toBeNull()
  await clock.advance(1)
  await closed
  expect(row).toMatchObject({ token: null, isTrying: false, delivery: { interruptions: 0 } })
  expect(logger.lines).toMatchObject([{ level: 'warn', details: { deliveries: 1 } }])
  // The engine is closed by then, and does not even hear of it.
  engine.down.add('settle')
  tried[0]!.end(answer(200))
  await clock.advance(60_000)
  expect(engine.writes).toEqual([])
  expect(engine.calls.settle).toBe(0)
  expect(signals.seen).toEqual([])
  expect(logger.lines).toHaveLength(1)
})

test('a claim that arrives meanwhile is given back untried, before close resolves', async () => {
  const { dispatcher, owe, settled, tried, engine } = dispatching({ crm: { answer: () => answer(200) } })
  const arrived = deferred()
  engine.transit = () => arrived.promise
  dispatcher.start()
  const rows = owe('crm', 3)
  await settled()
  let isClosed = false
  const closed = dispatcher.close().then(() => {
    isClosed = true
  })
  await settled()
  expect(isClosed).toBe(false)
  arrived.resolve()
  await closed
  for (const row of rows) expect(row).toMatchObject({ token: null, isTrying: false })
  await settled()
  expect(tried).toEqual([])
})

test('a claim that never arrives does not keep it open', async () => {
  const { clock, dispatcher, owe, settled, engine } = dispatching({ crm: {} })
  engine.transit = () => deferred().promise
  dispatcher.start()
  owe('crm')
  await settled()
  const closed = dispatcher.close(3_000)
  await clock.advance(3_000)
  await closed
})

test('an outcome that cannot be recorded at once is, within the grace', async () => {
  const { clock, dispatcher, owe, settled, tried, engine } = dispatching({ crm: {} })
  dispatcher.start()
  const [row] = owe('crm')
  await settled()
  engine.down.add('settle')
  const closed = dispatcher.close()
  tried[0]!.end(answer(200))
  await clock.advance(2_500)
  engine.down.clear()
  await clock.advance(1_000)
  await closed
  expect(row!.delivery.state).toBe('delivered')
})

test('an engine that takes nothing back is logged, and close resolves all the same', async () => {
  const { clock, dispatcher, owe, settled, tried, engine, logger } = dispatching({
    crm: {},
    dead: { answer: () => refused },
  })
  const idle = clock.waiting
  dispatcher.start()
  owe('dead', 5)
  await settled()
  owe('crm')
  await settled()
  engine.down.add('release').add('settle')
  const closed = dispatcher.close(2_500)
  tried.at(-1)!.end(answer(200))
  await clock.advance(2_500)
  await closed
  expect(logger.lines.map(({ level }) => level)).toContain('error')
  // Nothing but the renewal of leases, which finds none and ends.
  expect(clock.waiting).toBe(idle + 1)
})

test('what still waits for a slot after the grace is not given back a second time', async () => {
  const { clock, dispatcher, owe, settled, tried, engine, logger } = dispatching(
    { crm: { concurrency: 1 } },
    { concurrency: 1 },
  )
  dispatcher.start()
  owe('crm')
  await settled()
  tried[0]!.end(refused)
  await settled()
  owe('crm')
  await clock.advance(5_000)
  const closed = dispatcher.close(3_000)
  await clock.advance(3_000)
  await closed
  engine.down.add('release')
  tried[1]!.end(answer(200))
  await settled()
  expect(engine.calls.release).toBe(1)
  expect(logger.lines).toMatchObject([{ level: 'warn', details: { deliveries: 2 } }])
  expect(tried).toHaveLength(2)
})

test('it listens no more, and cannot be started again', async () => {
  const { dispatcher, engine } = dispatching({ crm: {} })
  dispatcher.start()
  dispatcher.start()
  expect(engine.listening).toBe(1)
  await dispatcher.close()
  expect(engine.listening).toBe(0)
  dispatcher.start()
  expect(engine.listening).toBe(0)
})

test('it may be closed twice, and without ever having been started', async () => {
  const { dispatcher, owe, settled, tried } = dispatching({ crm: { answer: () => answer(200) } })
  await dispatcher.close()
  await dispatcher.close()
  owe('crm')
  await settled()
  expect(await dispatcher.runDue()).toBe(0)
  expect(tried).toEqual([])
})

test('no timer is left behind', async () => {
  const { clock, dispatcher, owe, settled } = dispatching({ crm: { answer: () => refused } })
  const idle = clock.waiting
  dispatcher.start()
  owe('crm', 3)
  await settled()
  await dispatcher.close()
  // The renewal of leases finds none and ends.
  await clock.advance(10_000)
  expect(clock.waiting).toBe(idle)
})
