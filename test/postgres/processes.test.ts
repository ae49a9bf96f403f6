// Several that deliver from one database: each delivery is tried by one of them, what one accepts another delivers at
// once, and whoever is asked knows all of it.
import { setImmediate as turn } from 'node:timers/promises'
import type { SmsEvent } from '../../lib/event.ts'
import type { HandlerContext } from '../../lib/outbound/handler.ts'
import { smsEvent, webhookEndpoint } from '../support/events.ts'
import { manualClock } from '../support/manual-clock.ts'
import { sharedServer } from '../support/postgres.ts'
import { onFreshSchema } from '../support/postgres-engines.ts'
import { until } from '../support/until.ts'

const server = await sharedServer()

const events = (count: number) => Array.from({ length: count }, () => smsEvent())

describe('several that deliver', () => {
  test('each of thousands is tried once, and all of them have a part in it', async () => {
    const schema = onFreshSchema(server)
    const tried = new Map<string, number[]>()
    const underway = new Set<string>()
    const twiceAtOnce: string[] = []
    const handlerOf =
      (process: number) =>
      async ({ id }: SmsEvent, { attempt }: HandlerContext) => {
        if (underway.has(id)) twiceAtOnce.push(id)
        underway.add(id)
        tried.set(id, [...(tried.get(id) ?? []), process])
        await turn()
        underway.delete(id)
        // A fourth of them is tried again, in the memory of whoever has it or by whoever claims it next.
        if (attempt === 1 && Number(id.slice(-12)) % 4 === 0) throw new Error('again')
      }
    const start = (process: number) =>
      schema.process({
        deliverTo: {
          app: { handler: handlerOf(process), concurrency: 50, policy: { tries: 2, delaysMs: [process] } },
        },
        holdMs: process,
      })
    const processes = await Promise.all([0, 1, 2].map(start))
    const all = events(2000)
    for (let from = 0; from < all.length; from += 100)
      await processes[from % 3]!.dispatcher.accept(all.slice(from, from + 100))

    const { engine } = processes[0]!
    const isDone = async () => (await engine.counts()).deliveries.delivered === all.length
    await until(isDone, 60_000)
    expect(twiceAtOnce).toEqual([])
    for (const { id } of all) expect(tried.get(id)).toHaveLength(Number(id.slice(-12)) % 4 === 0 ? 2 : 1)
    expect(new Set([...tried.values()].flat())).toEqual(new Set([0, 1, 2]))
    const [row] = await schema.query<{ attempts: number; interruptions: number }>(
      `SELECT count(*)::int AS attempts, (SELECT sum(interruptions)::int FROM ${schema.name}.deliveries) AS interruptions
       FROM ${schema.name}.attempts`,
    )
    expect(row).toEqual({ attempts: 2500, interruptions: 0 })
    expect(processes.flatMap(({ logger }) => logger.lines)).toEqual([])
  }, 70_000)

  test('what one accepts another hears of, without looking by itself', async () => {
    const schema = onFreshSchema(server)
    const seen: string[] = []
    const accepting = await schema.process({}, { isStarted: false })
    // Its own looking stands still with its clock.
    await schema.process({
      clock: manualClock(Date.now()),
      deliverTo: { app: { handler: ({ id }) => seen.push(id) } },
    })
    for (const event of events(5)) {
      await accepting.engine.accept([{ event, endpoints: [webhookEndpoint({ id: 'app', kind: 'handler' })] }])
      await until(() => seen.includes(event.id))
    }
  })
})

describe('whoever did none of the work', () => {
  test('finds, lists and counts all of it, replays, cancels and erases', async () => {
    const schema = onFreshSchema(server)
    const tried: string[] = []
    const deliverTo = { app: { handler: ({ id }: SmsEvent) => void tried.push(id) } }
    const worker = await schema.process({ deliverTo })
    const { engine } = await schema.process({}, { isStarted: false })
    const [delivered, waiting] = events(2) as [SmsEvent, SmsEvent]
    await worker.dispatcher.accept([delivered])
    await worker.engine.accept([{ event: waiting, endpoints: [] }])
    await worker.signals.nth('delivered')

    const found = (await engine.find(delivered.id))!
    expect(found.deliveries).toMatchObject([
      { delivery: { state: 'delivered', tries: 1 }, attempts: [{ n: 1 }] },
    ])
    expect((await engine.list({ endpoint: 'app' }, { limit: 10 })).items).toMatchObject([
      { event: delivered },
    ])
    expect(await engine.counts()).toMatchObject({ events: 2, deliveries: { delivered: 1 } })

    const { id } = found.deliveries[0]!.delivery
    expect(await engine.replay([id])).toBe(1)
    await worker.signals.nth('delivered', 2)
    expect(tried).toEqual([delivered.id, delivered.id])
    expect((await engine.find(id))!.deliveries).toMatchObject([
      { delivery: { round: 2, state: 'delivered' } },
    ])
    expect(await engine.erase(['+61412345678'])).toBe(2)
    expect(await worker.engine.find(delivered.id)).toBeNull()
  })

  test('cancels and erases what another has in work: its try counts for nothing', async () => {
    const schema = onFreshSchema(server)
    const begun: string[] = []
    let end = () => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    const handler = async ({ id }: SmsEvent) => {
      begun.push(id)
      await ended
    }
    const worker = await schema.process({ deliverTo: { app: { handler } } })
    const { engine } = await schema.process({}, { isStarted: false })
    const cancelled = smsEvent()
    const erased = smsEvent({ from: { raw: 'Roses', kind: 'alpha', e164: null } })
    await worker.dispatcher.accept([cancelled, erased])
    await until(() => begun.length === 2)

    const { deliveries: owed } = (await engine.find(cancelled.id))!
    expect(await engine.cancel([owed[0]!.delivery.id])).toBe(1)
    expect(await engine.erase(['Roses'])).toBe(1)
    end()
    await worker.dispatcher.close()
    const { deliveries } = await engine.counts()
    expect(deliveries).toMatchObject({ cancelled: 1, delivered: 0, pending: 0 })
    expect(worker.signals.of('delivered')).toEqual([])
  })
})
