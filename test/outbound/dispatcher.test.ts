// The course of one delivery: what is tried when, what is written, and what is told.
import { unwantedEndpoint } from '../../lib/delivery.ts'
import { answer, dispatching, mail, refused } from '../support/dispatching.ts'
import { smsEvent, webhookEndpoint } from '../support/events.ts'

const minute = 60_000
const tenTimes = [0, 5, 20, 50, 110, 230, 470, 830, 1310, 1910].map((seconds) => seconds * 1000)

test('a delivery that succeeds at once is tried once', async () => {
  const { dispatcher, owe, settled, tried, engine, signals, stop } = dispatching({
    crm: { answer: () => answer(200) },
  })
  dispatcher.start()
  const [row] = owe('crm')
  await settled()
  expect(tried).toHaveLength(1)
  expect(engine.writes).toMatchObject([
    { id: row!.delivery.id, attempt: { n: 1, outcome: answer(200) }, next: { to: 'delivered' } },
  ])
  expect(signals.seen.map(({ name }) => name)).toEqual(['attempt', 'delivered'])
  expect(signals.of('attempt')).toMatchObject([{ dueAt: null, delivery: { tries: 1 }, attempt: { n: 1 } }])
  await stop()
})

test('what was due before the start is tried at the start', async () => {
  const { dispatcher, owe, settled, tried, stop } = dispatching({ crm: { answer: () => answer(200) } })
  owe('crm', 3)
  await settled()
  expect(tried).toHaveLength(0)
  dispatcher.start()
  await settled()
  expect(tried).toHaveLength(3)
  await stop()
})

test('ten tries at their due times against a dead endpoint, then the fallback is asked once', async () => {
  const asked: unknown[] = []
  const { clock, dispatcher, owe, tried, engine, signals, stop } = dispatching(
    { crm: { answer: () => refused } },
    {
      fallback: async (story) => {
        asked.push(story)
        return mail
      },
    },
  )
  const start = clock.now()
  dispatcher.start()
  const [row] = owe('crm')
  await clock.advance(60 * minute)

  expect(tried.map(({ at }) => at - start)).toEqual(tenTimes)
  expect(tried.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(row!.attempts.map(({ n, startedAt }) => [n, startedAt])).toEqual(tried.map(({ n, at }) => [n, at]))
  expect(asked).toHaveLength(1)
  expect(asked[0]).toMatchObject({ event: row!.event, delivery: { id: row!.delivery.id, tries: 10 } })
  expect(engine.writes.at(-1)).toMatchObject({ next: { to: 'mailing', reason: 'spent', mail } })
  expect(row!.delivery).toMatchObject({ state: 'mailing', tries: 10, interruptions: 0 })

  const names = signals.seen.map(({ name }) => name)
  expect(names).toEqual([...Array(10).fill('attempt'), 'mailing'])
  const dueTimes = signals.of('attempt').map(({ dueAt }) => dueAt && dueAt - start)
  expect(dueTimes).toEqual([...tenTimes.slice(1), null])
  expect(signals.of('mailing')).toMatchObject([{ reason: 'spent', to: mail.to }])
  await stop()
})

test('jitter and odd delays never make a try early', async () => {
  const delaysMs = [1, 777, 14_999, 15_001, 31_337]
  const { clock, dispatcher, owe, tried, signals, stop } = dispatching(
    { crm: { answer: () => refused, policy: { delaysMs } } },
    { random: () => 0.73 },
  )
  dispatcher.start()
  owe('crm')
  await clock.advance(10 * minute)
  expect(tried).toHaveLength(10)
  const due = signals.of('attempt').map(({ dueAt }) => dueAt)
  for (const [index, { at }] of tried.slice(1).entries()) {
    expect(at).toBeGreaterThanOrEqual(due[index]!)
    expect(at - due[index]!).toBeLessThan(1000)
  }
  await stop()
})

test('every try is on record before anything waits', async () => {
  const { clock, dispatcher, owe, engine, tried, stop } = dispatching({ crm: { answer: () => refused } })
  const waits: number[] = []
  const { sleep } = clock
  clock.sleep = (ms, signal) => {
    waits.push(engine.writes.length)
    return sleep(ms, signal)
  }
  dispatcher.start()
  owe('crm')
  await clock.advance(19_999)
  expect(tried).toHaveLength(2)
  expect(waits).toEqual([1, 2])
  await stop()
})

test('an answer that ends the tries is followed by the email', async () => {
  const { dispatcher, owe, settled, engine, stop } = dispatching({
    crm: { answer: () => answer(410), policy: { endOn: [410] } },
  })
  dispatcher.start()
  owe('crm')
  await settled()
  expect(engine.writes).toMatchObject([{ attempt: { n: 1 }, next: { to: 'mailing', reason: 'gone' } }])
  await stop()
})

test.each([
  ['held in memory', 1_000, 4_000],
  ['parked', 20_000, 40_000],
])(
  'the deadline for the email is kept while the delivery is %s',
  async (_where, delayMs, fallbackAfterMs) => {
    const { clock, dispatcher, owe, tried, engine, signals, stop } = dispatching({
      crm: { answer: () => refused, policy: { fallbackAfterMs, delaysMs: [delayMs, 60_000] } },
    })
    const start = clock.now()
    dispatcher.start()
    owe('crm')
    await clock.advance(fallbackAfterMs + 5_000)
    expect(tried.map(({ at }) => at - start)).toEqual([0, delayMs])
    expect(engine.writes.at(-1)).toMatchObject({ attempt: null, next: { to: 'mailing', reason: 'deadline' } })
    expect(engine.writes.at(-1)!.at - start).toBe(fallbackAfterMs)
    expect(signals.of('mailing')).toMatchObject([{ reason: 'deadline', delivery: { tries: 2 } }])
    await stop()
  },
)

test('what killed the process ten times is not tried again', async () => {
  const { dispatcher, engine, settled, tried, signals, stop } = dispatching({ crm: {} })
  dispatcher.start()
  engine.owe(smsEvent(), webhookEndpoint(), { interruptions: 10, tries: 3 })
  await settled()
  expect(tried).toEqual([])
  expect(engine.writes).toMatchObject([{ attempt: null, next: { to: 'mailing', reason: 'interrupted' } }])
  expect(signals.seen.map(({ name }) => name)).toEqual(['mailing'])
  await stop()
})

describe('without a try', () => {
  test.each([
    ['an email endpoint', webhookEndpoint({ id: 'owner', kind: 'email', url: null }), 'direct', []],
    ['a message that nobody wants', unwantedEndpoint, 'unwanted', ['warn']],
    [
      'a handler that is no longer there',
      webhookEndpoint({ id: 'gone', kind: 'handler', url: null }),
      'orphaned',
      ['warn'],
    ],
  ])('%s goes straight to the email', async (_name, endpoint, reason, levels) => {
    const { dispatcher, owe, settled, engine, signals, tried, logger, stop } = dispatching({ crm: {} })
    dispatcher.start()
    owe(endpoint)
    await settled()
    expect(tried).toEqual([])
    expect(engine.writes).toMatchObject([{ attempt: null, next: { to: 'mailing', reason, mail } }])
    expect(signals.seen.map(({ name }) => name)).toEqual(['mailing'])
    expect(logger.lines.map(({ level }) => level)).toEqual(levels)
    await stop()
  })
})

describe('nobody to mail it to', () => {
  test('a fallback that answers null ends in failed, told and logged', async () => {
    const { dispatcher, owe, settled, engine, signals, logger, stop } = dispatching(
      { crm: { answer: () => refused, policy: { tries: 1 } } },
      { fallback: async () => null },
    )
    dispatcher.start()
    const [row] = owe('crm')
    await settled()
    expect(engine.writes).toMatchObject([
      { attempt: { n: 1 }, next: { to: 'failed', reason: 'no-fallback' } },
    ])
    expect(signals.seen.map(({ name }) => name)).toEqual(['attempt', 'failed'])
    expect(signals.of('failed')).toEqual([
      { deliveryId: row!.delivery.id, endpointId: 'crm', reason: 'no-fallback' },
    ])
    expect(logger.lines.at(-1)).toMatchObject({ level: 'error', details: { delivery: row!.delivery.id } })
    expect(JSON.stringify(logger.lines)).not.toMatch(/Hello|61412345678/)
    await stop()
  })

  test('a fallback that rejects is asked again until it answers, and nothing is tried again', async () => {
    let isDown = true
    const { clock, dispatcher, owe, settled, engine, tried, stop } = dispatching(
      { crm: { answer: () => refused, policy: { tries: 1 } } },
      {
        fallback: async () => {
          if (isDown) throw new Error('no such customer: +61412345678')
          return mail
        },
      },
    )
    dispatcher.start()
    owe('crm')
    await settled()
    expect(engine.writes).toMatchObject([{ attempt: { n: 1 }, next: { to: 'retry' } }])
    isDown = false
    await clock.advance(2 * minute)
    expect(engine.writes.slice(1)).toMatchObject([
      { attempt: null, next: { to: 'mailing', reason: 'spent', mail } },
    ])
    expect(tried).toHaveLength(1)
    await stop()
  })
})

describe('an answer of 2xx that does not count', () => {
  test('is explained once for each endpoint', async () => {
    const { clock, dispatcher, owe, logger, stop } = dispatching({
      crm: { answer: () => answer(202) },
      erp: { answer: () => answer(204), policy: { tries: 1 } },
    })
    dispatcher.start()
    owe('crm', 3)
    owe('erp', 3)
    await clock.advance(minute)
    const hints = logger.lines.filter(({ message }) => message.includes("success: '2xx'"))
    expect(hints).toHaveLength(2)
    expect(hints).toContainEqual(
      expect.objectContaining({ level: 'warn', details: { endpoint: 'crm', status: 202 } }),
    )
    expect(hints).toContainEqual(
      expect.objectContaining({ level: 'warn', details: { endpoint: 'erp', status: 204 } }),
    )
    await stop()
  })

  test('is not mentioned where it counts, nor for other answers', async () => {
    const { clock, dispatcher, owe, logger, stop } = dispatching({
      crm: { answer: () => answer(202), policy: { success: '2xx' } },
      erp: { answer: () => answer(302) },
    })
    dispatcher.start()
    owe('crm')
    owe('erp')
    await clock.advance(minute)
    expect(logger.lines).toEqual([])
    await stop()
  })
})
