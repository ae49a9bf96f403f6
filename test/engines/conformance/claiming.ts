// Promises about claiming: what is due, in which order, within which room.
import type { Engine } from '../../../lib/engine.ts'
import type { Check } from '../conformance.ts'
import { attempt, claim, claimOne, leaseMs, owe } from './steps.ts'

const names = (claims: Awaited<ReturnType<Engine['claim']>>) =>
  claims.map(({ delivery }) => delivery.endpoint.id)

export const claiming = (check: Check): void => {
  check('what is owed is due at once, and leased to one claim only', async ({ engine }) => {
    const event = await owe(engine)
    const { delivery, ...one } = await claimOne(engine)
    expect(one).toEqual({ lease: { id: delivery.id, token: expect.any(String) }, event })
    expect(delivery).toEqual((await engine.find(delivery.id))?.deliveries[0]?.delivery)
    expect(await claim(engine)).toEqual([])
  })

  check('claims made at once share no delivery', async ({ engine }) => {
    await Promise.all(Array.from({ length: 30 }, () => owe(engine)))
    const claims = await Promise.all([10, 10, 10, 10].map((limit) => claim(engine, { limit })))
    expect(claims.map((some) => some.length)).toEqual([10, 10, 10, 0])
    expect(new Set(claims.flat().map(({ delivery }) => delivery.id)).size).toBe(30)
  })

  check('no more than the limit, the longest due first', async ({ engine, advance }) => {
    const events = []
    for (let n = 0; n < 5; n += 1) {
      events.push(await owe(engine, n % 2 === 0 ? 'crm' : 'erp'))
      await advance(1)
    }
    const claimed = [
      await claim(engine, { limit: 2 }),
      await claim(engine, { limit: 2 }),
      await claim(engine),
    ]
    expect(claimed.map((some) => some.map(({ event }) => event.id))).toEqual([
      [events[0]!.id, events[1]!.id],
      [events[2]!.id, events[3]!.id],
      [events[4]!.id],
    ])
    expect(await claim(engine, { limit: 0 })).toEqual([])
  })

  check('no endpoint gets more than its room', async ({ engine }) => {
    for (let n = 0; n < 4; n += 1) await owe(engine, 'full', 'crm', 'erp')
    const claims = names(await claim(engine, { default: 3, of: { full: 0, erp: 1 } }))
    expect(claims.sort()).toEqual(['crm', 'crm', 'crm', 'erp'])
  })

  check('room is looked up by the name alone', async ({ engine }) => {
    const odd = ['constructor', '__proto__', 'toString', "it's", 'ключ', '']
    await owe(engine, ...odd)
    const of = Object.fromEntries(odd.map((id) => [id, 1]))
    expect(names(await claim(engine, { default: 1 })).sort()).toEqual([...odd].sort())
    await owe(engine, ...odd)
    expect(names(await claim(engine, { default: 0, of })).sort()).toEqual([...odd].sort())
  })

  check('the backlog of an endpoint without room fills no limit', async ({ engine, advance }) => {
    for (let n = 0; n < 20; n += 1) await owe(engine, 'dead')
    await advance(1000)
    await owe(engine, 'crm')
    expect(names(await claim(engine, { limit: 1, of: { dead: 0 } }))).toEqual(['crm'])
    expect(names(await claim(engine, { limit: 5, of: { dead: 2 } }))).toEqual(['dead', 'dead'])
  })

  check('first tries come before retries, at every endpoint', async ({ engine, now, advance }) => {
    await owe(engine, 'crm', 'erp')
    for (const { lease } of await claim(engine)) {
      await engine.settle(lease, attempt(), { to: 'retry', dueAt: now(), hold: false })
    }
    await advance(1000)
    await owe(engine, 'erp', 'new')
    const tries = (await claim(engine)).map(({ delivery }) => [delivery.tries, delivery.endpoint.id])
    expect(tries.slice(0, 2).sort()).toEqual([
      [0, 'erp'],
      [0, 'new'],
    ])
    expect(tries.slice(2).sort()).toEqual([
      [1, 'crm'],
      [1, 'erp'],
    ])
  })

  check('with little room the first try is the one that gets it', async ({ engine, now, advance }) => {
    await owe(engine)
    const { lease } = await claimOne(engine)
    await engine.settle(lease, attempt(), { to: 'retry', dueAt: now(), hold: false })
    await advance(1000)
    const event = await owe(engine)
    expect((await claim(engine, { default: 1 })).map((one) => one.event.id)).toEqual([event.id])
    expect((await claim(engine, { limit: 1 })).map(({ delivery }) => delivery.tries)).toEqual([1])
  })

  check('retries that a claim passed over come first in the next one', async ({ engine, now, advance }) => {
    for (let n = 0; n < 3; n += 1) await owe(engine)
    for (const { lease } of await claim(engine)) {
      await engine.settle(lease, attempt(), { to: 'retry', dueAt: now(), hold: false })
    }
    await advance(1000)
    for (let n = 0; n < 3; n += 1) await owe(engine)
    const tries: number[] = []
    for (let n = 0; n < 6; n += 1) {
      const one = await claim(engine, n % 2 === 0 ? { default: 1 } : { limit: 1 })
      tries.push(...one.map(({ delivery }) => delivery.tries))
    }
    expect(tries).toEqual([0, 1, 0, 1, 0, 1])
  })

  check(
    'no endpoint hides from the others that its retries were passed over',
    async ({ engine, now, advance }) => {
      await owe(engine, 'busy', 'calm')
      for (const { lease } of await claim(engine)) {
        await engine.settle(lease, attempt(), { to: 'retry', dueAt: now(), hold: false })
      }
      await advance(1000)
      for (let n = 0; n < 3; n += 1) await owe(engine, 'busy')
      const first = await claim(engine, { default: 1 })
      expect(first.map(({ delivery }) => [delivery.endpoint.id, delivery.tries]).sort()).toEqual([
        ['busy', 0],
        ['calm', 1],
      ])
      expect((await claim(engine, { default: 1 })).map(({ delivery }) => delivery.tries)).toEqual([1])
    },
  )

  check('of many endpoints the most urgent ones fill the limit', async ({ engine, now, advance }) => {
    const retried = ['a', 'b', 'c', 'd', 'e']
    await owe(engine, ...retried)
    for (const { lease } of await claim(engine)) {
      await engine.settle(lease, attempt(), { to: 'retry', dueAt: now(), hold: false })
    }
    for (const id of ['f', 'e', 'g', 'a']) {
      await advance(1000)
      await owe(engine, id)
    }
    expect(names(await claim(engine, { limit: 3 }))).toEqual(['f', 'e', 'g'])
    expect(names(await claim(engine, { limit: 1 }))).toEqual(['a'])
    expect(names(await claim(engine)).sort()).toEqual(retried)
  })

  check('a retry is due when it was said to be, and no sooner', async ({ engine, now, advance }) => {
    await owe(engine)
    const { lease } = await claimOne(engine)
    const dueAt = now() + 60_000
    await engine.settle(lease, attempt(), { to: 'retry', dueAt, hold: false })
    await advance(59_999)
    expect(await claim(engine)).toEqual([])
    await advance(1)
    expect((await claimOne(engine)).delivery).toMatchObject({ tries: 1, interruptions: 0, dueAt })
  })

  check('what is in work longer than its lease may be claimed again, and not before', async (subject) => {
    const { engine, advance } = subject
    await owe(engine)
    const first = await claimOne(engine)
    await advance(leaseMs - 1)
    expect(await claim(engine)).toEqual([])
    await advance(1)
    const second = await claimOne(engine)
    expect(second.lease.id).toBe(first.lease.id)
    expect(second.lease.token).not.toBe(first.lease.token)
  })
}
