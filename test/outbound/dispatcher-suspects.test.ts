// Deliveries that the process died over more than once, among the others.
import { answer, dispatching, refused } from '../support/dispatching.ts'
import { smsEvent, webhookEndpoint } from '../support/events.ts'

describe('what killed the process more than once', () => {
  const suspect = { interruptions: 2 }

  test("is tried one at a time, the least suspected first, and in nobody else's way", async () => {
    const { dispatcher, engine, owe, settled, tried, open, stop } = dispatching({ crm: {} })
    const [a, b, c] = [3, 2, 4].map((interruptions) =>
      engine.owe(smsEvent(), webhookEndpoint(), { interruptions }),
    )
    const others = owe('crm', 9)
    dispatcher.start()
    await settled(10)
    const suspects = new Set([a, b, c].map((row) => row!.event.id))
    const underWay = () => [...open].map(({ eventId }) => eventId).filter((id) => suspects.has(id))
    expect(open.size).toBe(10)
    for (const row of [b, a, c]) {
      expect(underWay()).toEqual([row!.event.id])
      tried.find(({ eventId }) => eventId === row!.event.id)!.end(answer(200))
      await settled(10)
    }
    expect(others.every(({ delivery }) => delivery.state === 'pending')).toBe(true)
    await stop()
  })

  test('lets the next one go once its try is on record, not once it is delivered', async () => {
    const { dispatcher, engine, settled, tried, stop } = dispatching({ crm: { answer: () => refused } })
    engine.owe(smsEvent(), webhookEndpoint(), suspect)
    engine.owe(smsEvent(), webhookEndpoint(), suspect)
    dispatcher.start()
    await settled(10)
    expect(tried.map(({ n }) => n)).toEqual([1, 1])
    await stop()
  })

  test('and waits for its turn is given back on close, untried', async () => {
    const { dispatcher, engine, settled, tried } = dispatching({ crm: {} })
    engine.owe(smsEvent(), webhookEndpoint(), suspect)
    const waiting = [1, 2].map(() => engine.owe(smsEvent(), webhookEndpoint(), suspect))
    dispatcher.start()
    await settled(10)
    const closed = dispatcher.close()
    tried[0]!.end(answer(200))
    await closed
    expect(tried).toHaveLength(1)
    for (const row of waiting)
      expect(row).toMatchObject({ token: null, isTrying: false, delivery: { interruptions: 2 } })
  })
})
