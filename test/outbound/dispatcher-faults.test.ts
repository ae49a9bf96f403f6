// What the dispatcher does when the engine fails, when a lease is lost, and when a part of ours throws.
import { answer, dispatching, refused } from '../support/dispatching.ts'

describe('an engine that does not take outcomes', () => {
  test('gets each one as soon as it does, with no other try in between', async () => {
    const { clock, dispatcher, owe, tried, engine, signals, logger, stop } = dispatching({
      crm: { answer: (n) => answer(n === 1 ? 500 : 200) },
    })
    dispatcher.start()
    engine.down.add('settle')
    const [row] = owe('crm')
    await clock.advance(120_000)
    expect(tried).toHaveLength(1)
    expect(row!.attempts).toEqual([])
    expect(signals.seen).toEqual([])
    const complaints = logger.lines.filter(({ message }) => message.includes('could not be recorded'))
    expect(complaints).toMatchObject([{ level: 'error', details: { delivery: row!.delivery.id } }])
    engine.down.clear()
    await clock.advance(1_000)
    expect(row!.attempts).toMatchObject([
      { n: 1, outcome: answer(500) },
      // Due long since.
      { n: 2, outcome: answer(200) },
    ])
    expect(row!.delivery).toMatchObject({ state: 'delivered', tries: 2, interruptions: 0 })
    expect(tried).toHaveLength(2)
    await stop()
  })

  test('is not given ever more to record', async () => {
    const { clock, dispatcher, owe, tried, engine, stop } = dispatching(
      { crm: { answer: () => answer(200), concurrency: 3 }, erp: { answer: () => answer(200) } },
      { concurrency: 5 },
    )
    dispatcher.start()
    engine.down.add('settle')
    owe('crm', 20)
    owe('erp', 20)
    await clock.advance(10_000)
    expect(tried.length).toBeGreaterThanOrEqual(5)
    expect(tried.length).toBeLessThanOrEqual(10)
    engine.down.clear()
    await clock.advance(1_000)
    expect(engine.rows.filter(({ delivery }) => delivery.state === 'delivered')).toHaveLength(40)
    expect(tried).toHaveLength(40)
    await stop()
  })

  test('the email is not owed twice', async () => {
    let asked = 0
    const { clock, dispatcher, owe, engine, signals, stop } = dispatching(
      { crm: { answer: () => refused, policy: { tries: 1 } } },
      {
        fallback: async () => {
          asked += 1
          return { to: ['owner@example.com'], messageId: '<1@example.com>' }
        },
      },
    )
    dispatcher.start()
    engine.down.add('settle')
    owe('crm')
    await clock.advance(5_000)
    engine.down.clear()
    await clock.advance(1_000)
    expect(asked).toBe(1)
    expect(signals.seen.map(({ name }) => name)).toEqual(['attempt', 'mailing'])
    await stop()
  })
})

test('an engine that cannot be claimed from is asked again at the next wake, and complained about once', async () => {
  const { clock, dispatcher, owe, settled, tried, engine, logger, stop } = dispatching({
    crm: { answer: () => answer(200) },
  })
  engine.down.add('claim')
  dispatcher.start()
  owe('crm')
  await clock.advance(10_000)
  expect(tried).toEqual([])
  expect(logger.lines.map(({ level }) => level)).toEqual(['error'])
  engine.down.clear()
  engine.wake()
  await settled()
  expect(tried).toHaveLength(1)
  engine.down.add('claim')
  await clock.advance(10_000)
  expect(logger.lines.map(({ level }) => level)).toEqual(['error', 'error'])
  await stop()
})

describe('a lost lease', () => {
  test.each([
    ['another try', 10],
    ['the email', 1],
  ])('in mid-try, with %s to follow: nothing is written and nothing is told', async (_next, tries) => {
    const { clock, dispatcher, owe, settled, tried, engine, signals, stop } = dispatching({
      crm: { policy: { tries } },
    })
    dispatcher.start()
    const [row] = owe('crm')
    await settled()
    engine.steal(row!.delivery.id)
    tried[0]!.end(answer(500))
    await clock.advance(60_000)
    expect(engine.writes).toEqual([])
    expect(signals.seen).toEqual([])
    expect(tried).toHaveLength(1)
    await stop()
  })

  test('takes none of the places for waits in memory', async () => {
    const { dispatcher, owe, settled, open, engine, stop } = dispatching({ crm: {} }, { concurrency: 2 })
    dispatcher.start()
    for (let turn = 0; turn < 5; turn += 1) {
      const rows = owe('crm', 2)
      await settled()
      for (const { delivery } of rows) engine.steal(delivery.id)
      for (const one of open) one.end(refused)
      await settled()
    }
    owe('crm')
    await settled()
    for (const one of open) one.end(refused)
    await settled()
    expect(engine.writes).toMatchObject([{ next: { to: 'retry', hold: true } }])
    await stop()
  })

  test('in a wait: no try follows', async () => {
    const { clock, dispatcher, owe, tried, engine, stop } = dispatching({
      crm: { answer: () => refused, policy: { delaysMs: [15_000] } },
    })
    dispatcher.start()
    const [row] = owe('crm')
    await clock.advance(1_000)
    engine.steal(row!.delivery.id)
    await clock.advance(60_000)
    expect(tried).toHaveLength(1)
    expect(engine.writes).toHaveLength(1)
    await stop()
  })

  test('while it waits for a slot: no try follows', async () => {
    const { clock, dispatcher, owe, settled, tried, engine, stop } = dispatching(
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
    expect(tried).toHaveLength(2)
    engine.steal(row!.delivery.id)
    await clock.advance(10_000)
    tried[1]!.end(answer(200))
    await clock.advance(60_000)
    expect(tried).toHaveLength(2)
    await stop()
  })

  test('a lease that ran out, since it could not be renewed, counts as lost', async () => {
    const { clock, dispatcher, owe, tried, engine, stop } = dispatching(
      { crm: { answer: () => refused, policy: { delaysMs: [60_000] } } },
      { holdMs: 60_000 },
    )
    dispatcher.start()
    owe('crm')
    await clock.advance(1_000)
    engine.down.add('renew').add('claim')
    await clock.advance(60_000)
    expect(tried).toHaveLength(1)
    engine.down.clear()
    await clock.advance(1_000)
    expect(tried).toHaveLength(2)
    expect(engine.rows[0]!.delivery.interruptions).toBe(0)
    await stop()
  })

  test('one that was renewed late is still ours', async () => {
    const { clock, dispatcher, owe, tried, engine, stop } = dispatching(
      { crm: { answer: () => refused, policy: { delaysMs: [60_000] } } },
      { holdMs: 60_000 },
    )
    dispatcher.start()
    owe('crm')
    await clock.advance(1_000)
    engine.down.add('renew')
    await clock.advance(20_000)
    engine.down.clear()
    await clock.advance(39_000)
    expect(tried).toHaveLength(2)
    expect(engine.rows[0]!.delivery.interruptions).toBe(0)
    await stop()
  })
})

test('a part that throws leaves its delivery to the next claim, and the others alone', async () => {
  let isBroken = true
  const configured = dispatching({ crm: { answer: () => answer(200) } })
  const { clock, dispatcher, owe, settled, engine, logger, stop } = dispatching(
    {},
    {
      concurrency: 1,
      resolve: (endpoint) => {
        if (isBroken) throw new TypeError('broken')
        return configured.resolve(endpoint)
      },
    },
  )
  dispatcher.start()
  owe('crm')
  await settled()
  isBroken = false
  owe('crm')
  await settled()
  expect(engine.rows.map(({ delivery }) => delivery.state)).toEqual(['pending', 'delivered'])
  expect(logger.lines).toMatchObject([{ level: 'error', details: { delivery: 'd1' } }])
  await clock.advance(31_000)
  expect(engine.rows[0]!.delivery).toMatchObject({ state: 'delivered', interruptions: 1 })
  await stop()
})
