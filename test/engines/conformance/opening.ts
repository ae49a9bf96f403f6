// Promises about opening and closing.
import type { Check } from '../conformance.ts'
import { claim, owe } from './steps.ts'

export const opening = (check: Check): void => {
  check('before it is open every call rejects', async ({ another }) => {
    const engine = another()
    await expect(engine.accept([])).rejects.toMatchObject({ code: 'engine-not-ready' })
    await expect(engine.counts()).rejects.toMatchObject({ name: 'EngineError', code: 'engine-not-ready' })
  })

  check('opening twice is one opening', async ({ another, open }) => {
    const engine = another()
    await Promise.all([open(engine), open(engine)])
    await open(engine)
    expect((await engine.counts()).events).toBe(0)
  })

  check('close finishes what was called before and rejects what comes after', async ({ engine }) => {
    const before = owe(engine)
    const closed = engine.close()
    const after = engine.counts()
    await expect(after).rejects.toMatchObject({ name: 'EngineError', code: 'engine-closed' })
    await expect(before).resolves.toMatchObject({ type: 'message.received' })
    await closed
    await engine.close()
  })

  check('what is closed does not open again', async ({ engine, open }) => {
    await engine.close()
    await expect(open(engine)).rejects.toMatchObject({ code: 'engine-closed' })
  })

  check('one that never opened can be closed', async ({ another, open }) => {
    const engine = another()
    await engine.close()
    await expect(open(engine)).rejects.toMatchObject({ code: 'engine-closed' })
  })

  check('what was accepted is there after a restart', async ({ engine, another, open }) => {
    const event = await owe(engine, 'crm', 'erp')
    await engine.close()
    const next = another()
    await open(next)
    expect((await next.find(event.id))?.event).toEqual(event)
    expect(await claim(next)).toHaveLength(2)
  })

  check('whoever takes over may claim at once what was in work, as an interruption', async (subject) => {
    const { engine, another, open } = subject
    await owe(engine)
    const [claimed] = await claim(engine)
    await engine.close()
    const next = another()
    await open(next)
    const [again] = await claim(next)
    expect(again?.delivery).toMatchObject({ id: claimed!.delivery.id, tries: 0, interruptions: 1 })
    expect(await next.settle(claimed!.lease, null, { to: 'delivered' })).toBe('lost')
    expect(await next.settle(again!.lease, null, { to: 'delivered' })).toBe('settled')
  })

  check('two engines on one store never claim the same delivery', async ({ engine, another, open }) => {
    const second = another()
    await open(second)
    await Promise.all(Array.from({ length: 40 }, (_, n) => owe(n % 2 === 0 ? engine : second)))
    const claims = await Promise.all([engine, second, engine, second].map((one) => claim(one, { limit: 15 })))
    const ids = claims.flat().map(({ delivery }) => delivery.id)
    expect(ids.length).toBeGreaterThan(0)
    expect(new Set(ids).size).toBe(ids.length)
  })
}
