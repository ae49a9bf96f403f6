// How many deliveries of one endpoint are in work at once over all processes, and what that leaves to the others.
import { setImmediate as turn } from 'node:timers/promises'
import type { Engine } from '../../lib/engine.ts'
import type { SmsEvent } from '../../lib/event.ts'
import { attempt, claim, endpoint, owe } from '../engines/conformance/steps.ts'
import { deferred } from '../support/deferred.ts'
import { smsEvent } from '../support/events.ts'
import { manualClock, settled } from '../support/manual-clock.ts'
import { sharedServer } from '../support/postgres.ts'
import { databaseClock, manualUrl } from '../support/postgres-clock.ts'
import { onFreshSchema } from '../support/postgres-engines.ts'
import { until } from '../support/until.ts'

const server = await sharedServer()

/** Counts who is in it at once, in all and of each process. */
const counter = () => {
  const now: Record<string, number> = {}
  const most: Record<string, number> = {}
  const add = (name: string, by: number) => {
    now[name] = (now[name] ?? 0) + by
    most[name] = Math.max(most[name] ?? 0, now[name])
  }
  return {
    most,
    within: async (process: number, work: () => Promise<void>) => {
      for (const name of ['all', `${process}`]) add(name, 1)
      try {
        await work()
      } finally {
        for (const name of ['all', `${process}`]) add(name, -1)
      }
    },
  }
}

/** Long enough for the other processes to claim meanwhile. */
const turns = async () => {
  for (let left = 30; left > 0; left -= 1) await turn()
}

const room = (most: number) => ({ default: most, of: {} })
const again = { to: 'retry', hold: true } as const

describe('the concurrency of an endpoint', () => {
  test.each([
    { concurrency: 1, holdMs: 0 },
    { concurrency: 3, holdMs: 0 },
    { concurrency: 3, holdMs: 15_000 },
  ])(
    'holds over three processes in a burst: $concurrency, waits in memory of up to $holdMs ms',
    async ({ concurrency, holdMs }) => {
      const schema = onFreshSchema(server)
      const at = counter()
      const start = (process: number) =>
        schema.process({
          deliverTo: {
            app: {
              handler: (_event, { attempt }) =>
                at.within(process, async () => {
                  await turns()
                  if (holdMs === 0 && attempt === 1) throw new Error('again')
                }),
              concurrency,
              policy: { tries: 2, delaysMs: [1] },
            },
          },
          holdMs,
        })
      const processes = await Promise.all([0, 1, 2].map(start))
      const all = Array.from({ length: 60 }, () => smsEvent())
      await Promise.all(
        processes.map(({ dispatcher }, index) => dispatcher.accept(all.slice(index * 20, index * 20 + 20))),
      )
      const { engine } = processes[0]!
      const isDone = async () => (await engine.counts()).deliveries.delivered === all.length
      await until(isDone, 30_000)
      expect(at.most.all).toBe(concurrency)
    },
    40_000,
  )

  test('of retries out of the memory of processes there may be as many at each', async () => {
    const schema = onFreshSchema(server)
    const at = counter()
    const start = (process: number) =>
      schema.process({
        deliverTo: {
          app: {
            handler: (_event, { attempt }) =>
              at.within(process, async () => {
                await turns()
                if (attempt < 4) throw new Error('again')
              }),
            concurrency: 2,
            policy: { tries: 4, delaysMs: [5] },
          },
        },
      })
    const processes = await Promise.all([0, 1].map(start))
    await processes[0]!.dispatcher.accept(Array.from({ length: 60 }, () => smsEvent()))
    const { engine } = processes[0]!
    const isDone = async () => (await engine.counts()).deliveries.delivered === 60
    await until(isDone, 30_000)
    const { all, ...each } = at.most
    for (const most of Object.values(each)) expect(most).toBeLessThanOrEqual(2)
    expect(all).toBeLessThanOrEqual(4)
  }, 40_000)

  test('a wait in memory takes no room; the try after it does once its lease is renewed', async () => {
    const schema = onFreshSchema(server)
    const [one, other] = [await schema.engine(), await schema.engine()]
    for (let n = 0; n < 4; n += 1) await owe(one)
    const waiting = await claim(one, { limit: 1 })
    const wish = { limit: 10, leaseMs: 30_000, room: room(1) }
    expect(await other.claim(wish)).toEqual([])

    // Due at once: the try begins where it waits, which nobody else is told.
    const dueAt = Date.now()
    expect(await one.settle(waiting[0]!.lease, attempt(), { ...again, dueAt })).toBe('settled')
    const taken = await other.claim(wish)
    expect(taken).toHaveLength(1)
    await other.settle(taken[0]!.lease, attempt(), { to: 'delivered' })

    expect(await one.renew([waiting[0]!.lease], 30_000)).toEqual(['renewed'])
    expect(await other.claim(wish)).toEqual([])
    await one.settle(waiting[0]!.lease, attempt(2), { to: 'delivered' })
    expect(await other.claim(wish)).toHaveLength(1)
  })

  test('what a dead process had in work takes room until it is given back, and then once', async () => {
    const schema = onFreshSchema(server)
    const clock = manualClock()
    const database = await databaseClock(server.url, `${schema.name}_queue`, clock.now())
    const url = manualUrl(server.url, schema.name)
    // Its clock stands still, so that it says nothing any more.
    const dead = await schema.engine({ url, clock: manualClock() })
    const [one, other] = [await schema.engine({ url, clock }), await schema.engine({ url, clock })]
    for (let n = 0; n < 12; n += 1) await owe(dead)
    expect(await dead.claim({ limit: 3, leaseMs: 30_000, room: room(3) })).toHaveLength(3)
    const wish = (busy: number) => ({
      limit: 10,
      leaseMs: 30_000,
      room: { default: 3, of: { crm: 3 - busy } },
    })
    expect(await one.claim(wish(0))).toEqual([])

    const startedAt = clock.now()
    const inWork = async () => {
      const active = `SELECT count(*)::int AS n FROM ${schema.name}_queue.job WHERE state = 'active'`
      return (await schema.query<{ n: number }>(active))[0]!.n
    }
    await until(async () => {
      await database.set(clock.now() + 2000)
      await clock.advance(2000)
      await until(() => database.isQuiet(schema.name))
      await settled()
      return (await inWork()) === 0
    })
    expect(clock.now() - startedAt).toBeGreaterThan(10_000)
    const first = await one.claim({ ...wish(0), limit: 2 })
    const second = await other.claim(wish(0))
    const third = await one.claim(wish(2))
    expect([first.length, second.length, third.length]).toEqual([2, 1, 0])
    await database.end()
  })
})

describe('the room of others', () => {
  test('a dead endpoint with a long backlog leaves it to the healthy ones', async () => {
    const schema = onFreshSchema(server)
    const hanging = deferred<void>()
    let dead = 0
    const delivered = new Set<string>()
    const deliverTo = {
      dead: {
        handler: async () => {
          dead += 1
          await hanging.promise
        },
        concurrency: 2,
      },
      healthy: { handler: ({ id }: SmsEvent) => void delivered.add(id) },
    }
    const backlog = Array.from({ length: 500 }, () => ({
      event: smsEvent(),
      endpoints: [endpoint('dead', { kind: 'handler', url: null })],
    }))
    const accepting = await schema.engine()
    await accepting.accept(backlog)
    await Promise.all([0, 1, 2].map(() => schema.process({ deliverTo, concurrency: 5 })))
    await until(() => dead > 0)
    const healthy = Array.from({ length: 60 }, () => ({
      event: smsEvent(),
      endpoints: [endpoint('healthy', { kind: 'handler', url: null })],
    }))
    for (const one of healthy) await accepting.accept([one])
    await until(() => delivered.size === healthy.length)
    expect(dead).toBe(2)
    hanging.resolve()
  })

  test('what waits in the memory of one process keeps no first try from another', async () => {
    const schema = onFreshSchema(server)
    const [holding, other] = [await schema.engine(), await schema.engine()]
    for (let n = 0; n < 20; n += 1) await owe(holding)
    const held = await claim(holding, { limit: 20 })
    const dueAt = Date.now() + 15_000
    await Promise.all(held.map(({ lease }) => holding.settle(lease, attempt(), { ...again, dueAt })))
    for (let n = 0; n < 5; n += 1) await owe(holding)
    const wish = (busy: number): Parameters<Engine['claim']>[0] => ({
      limit: 10,
      leaseMs: 30_000,
      room: { default: 3, of: { crm: 3 - busy } },
    })
    expect(await other.claim(wish(0))).toHaveLength(3)
    expect(await other.claim(wish(3))).toEqual([])
    expect(await holding.claim(wish(0))).toEqual([])
  })
})
