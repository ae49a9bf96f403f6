// Promises about settling: the attempt and what follows, at once or not at all.
import type { Next } from '../../../lib/delivery.ts'
import type { Check } from '../conformance.ts'
import { attempt, claim, claimMails, claimOne, leaseMs, mail, mailing, owe, told } from './steps.ts'

export const settling = (check: Check): void => {
  check('delivered: ended, with its attempt', async ({ engine, now, advance }) => {
    const event = await owe(engine)
    const { lease } = await claimOne(engine)
    await advance(100)
    expect(await engine.settle(lease, attempt(1), { to: 'delivered' })).toBe('settled')
    const { delivery, attempts } = await told(engine, event.id)
    expect(delivery).toMatchObject({
      state: 'delivered',
      tries: 1,
      dueAt: null,
      endedAt: now(),
      reason: null,
    })
    expect(attempts).toEqual([attempt(1)])
    await advance(leaseMs * 2)
    expect(await claim(engine)).toEqual([])
  })

  check('failed: ended, with its reason', async ({ engine, now }) => {
    const event = await owe(engine)
    const { lease } = await claimOne(engine)
    expect(await engine.settle(lease, null, { to: 'failed', reason: 'no-fallback' })).toBe('settled')
    const { delivery, attempts } = await told(engine, event.id)
    expect(delivery).toMatchObject({ state: 'failed', tries: 0, endedAt: now(), reason: 'no-fallback' })
    expect(attempts).toEqual([])
    expect(await claimMails(engine)).toEqual([])
  })

  check('retry: recorded, and free for anyone once it is due', async ({ engine, now, advance }) => {
    const event = await owe(engine)
    for (const n of [1, 2, 3]) {
      const { lease } = await claimOne(engine)
      const dueAt = now() + n * 1000
      expect(await engine.settle(lease, attempt(n), { to: 'retry', dueAt, hold: false })).toBe('settled')
      const { delivery, attempts } = await told(engine, event.id)
      expect(delivery).toMatchObject({ state: 'pending', tries: n, interruptions: 0, dueAt })
      expect(attempts).toEqual([1, 2, 3].slice(0, n).map((one) => attempt(one)))
      expect(await engine.settle(lease, attempt(n + 1), { to: 'delivered' })).toBe('lost')
      await advance(n * 1000)
    }
  })

  check('a retry without an attempt spends no try', async ({ engine, now }) => {
    const event = await owe(engine)
    const { lease } = await claimOne(engine)
    await engine.settle(lease, null, { to: 'retry', dueAt: now() + 10, hold: false })
    const { delivery, attempts } = await told(engine, event.id)
    expect(delivery).toMatchObject({ tries: 0, interruptions: 0, dueAt: now() + 10 })
    expect(attempts).toEqual([])
  })

  check('a due time may be a fraction of a millisecond', async ({ engine, now, advance }) => {
    await owe(engine)
    const { lease } = await claimOne(engine)
    await engine.settle(lease, attempt(), { to: 'retry', dueAt: now() + 10.5, hold: false })
    await advance(10)
    expect(await claim(engine)).toEqual([])
    await advance(1)
    expect(await claim(engine)).toHaveLength(1)
  })

  check('hold: recorded, and the lease stays for the wait', async ({ engine, now, advance }) => {
    const event = await owe(engine)
    const { lease } = await claimOne(engine)
    const dueAt = now() + 5000
    expect(await engine.settle(lease, attempt(1), { to: 'retry', dueAt, hold: true })).toBe('settled')
    expect((await told(engine, event.id)).delivery).toMatchObject({ state: 'pending', tries: 1, dueAt })
    await advance(5000)
    expect(await claim(engine)).toEqual([])
    expect(await engine.settle(lease, attempt(2), { to: 'delivered' })).toBe('settled')
    expect((await told(engine, event.id)).attempts).toEqual([attempt(1), attempt(2)])
  })

  check('mailing: the mail and its member are there at once', async ({ engine, now }) => {
    const event = await owe(engine)
    const { lease } = await claimOne(engine)
    expect(await engine.settle(lease, attempt(), mailing)).toBe('settled')
    const { delivery, mail: owed } = await told(engine, event.id)
    expect(delivery).toMatchObject({ state: 'mailing', dueAt: null, endedAt: null, reason: 'spent' })
    expect(owed).toEqual({
      id: delivery.mailId,
      to: mail.to,
      messageId: mail.messageId,
      state: 'pending',
      tries: 0,
      interruptions: 0,
      createdAt: now(),
      dueAt: now(),
      endedAt: null,
      outcome: null,
    })
    expect(await claim(engine)).toEqual([])
  })

  check('with a stale lease it is lost, and nothing is written', async ({ engine, now, advance }) => {
    const event = await owe(engine)
    const stale = (await claimOne(engine)).lease
    await advance(leaseMs)
    const fresh = (await claimOne(engine)).lease
    const before = await engine.find(event.id)
    const ways: Next[] = [
      { to: 'delivered' },
      { to: 'retry', dueAt: now(), hold: false },
      { to: 'retry', dueAt: now(), hold: true },
      { to: 'failed', reason: 'spent' },
      mailing,
    ]
    for (const next of ways) {
      expect(await engine.settle(stale, attempt(), next)).toBe('lost')
      expect(await engine.settle({ id: stale.id, token: 'made up' }, attempt(), next)).toBe('lost')
      expect(await engine.settle({ id: '999', token: fresh.token }, attempt(), next)).toBe('lost')
    }
    expect(await engine.find(event.id)).toEqual(before)
    expect(await claimMails(engine)).toEqual([])
    expect(await engine.settle(fresh, attempt(), { to: 'delivered' })).toBe('settled')
    expect(await engine.settle(fresh, attempt(), { to: 'delivered' })).toBe('lost')
    expect((await told(engine, event.id)).attempts).toHaveLength(1)
  })

  check('a lease that ran out still settles while nobody else has claimed', async ({ engine, advance }) => {
    const event = await owe(engine)
    const { lease } = await claimOne(engine)
    await advance(leaseMs * 3)
    expect(await engine.settle(lease, attempt(), { to: 'delivered' })).toBe('settled')
    expect((await told(engine, event.id)).delivery).toMatchObject({ state: 'delivered', interruptions: 0 })
  })

  check('many settled at once are each settled once', async ({ engine }) => {
    await Promise.all(Array.from({ length: 50 }, () => owe(engine)))
    const claims = await claim(engine)
    const answers = await Promise.all(
      [...claims, ...claims].map(({ lease }) => engine.settle(lease, attempt(), { to: 'delivered' })),
    )
    expect(answers.filter((answer) => answer === 'settled')).toHaveLength(50)
    expect((await engine.counts()).deliveries).toMatchObject({ pending: 0, delivered: 50 })
  })
}
