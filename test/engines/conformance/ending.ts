// Promises about replaying and cancelling.
import type { Check } from '../conformance.ts'
import { attempt, claim, claimMail, claimOne, mailing, owe, told } from './steps.ts'

export const ending = (check: Check): void => {
  check('replay starts a new round and keeps the history', async ({ engine, now, advance }) => {
    const event = await owe(engine)
    const first = await claimOne(engine)
    await engine.settle(first.lease, attempt(1), { to: 'retry', dueAt: now(), hold: false })
    await engine.settle((await claimOne(engine)).lease, attempt(2), { to: 'failed', reason: 'no-fallback' })
    await advance(5000)
    expect(await engine.replay([first.delivery.id])).toBe(1)
    const { delivery, lease } = await claimOne(engine)
    expect(delivery).toEqual({ ...first.delivery, round: 2, dueAt: now() })
    await engine.settle(lease, attempt(1, { tookMs: 7 }), { to: 'delivered' })
    const { attempts } = await told(engine, event.id)
    expect(attempts).toEqual([attempt(1), attempt(2), attempt(1, { tookMs: 7 })])
  })

  check('replay forgets the interruptions, the reason and the mail', async ({ engine, now, advance }) => {
    await owe(engine)
    await claimOne(engine)
    await advance(30_000)
    await engine.settle((await claimOne(engine)).lease, attempt(), mailing)
    const { lease, stories } = await claimMail(engine)
    const { id } = stories[0]!.delivery
    const outcome = { type: 'sent', response: '250 ok', rejected: [] } as const
    await engine.settleMail(lease, { ...outcome, rejected: [] }, { to: 'sent' })
    expect(await engine.replay([id])).toBe(1)
    const { delivery, mail } = (await engine.find(id))!.deliveries[0]!
    expect(delivery).toMatchObject({ state: 'pending', round: 2, tries: 0, interruptions: 0, dueAt: now() })
    expect(delivery).toMatchObject({ endedAt: null, reason: null, mailId: null })
    expect(mail).toBeNull()
  })

  check('a mail tells the attempts of the last round only', async ({ engine }) => {
    await owe(engine)
    const first = await claimOne(engine)
    await engine.settle(first.lease, attempt(1), { to: 'failed', reason: 'spent' })
    await engine.replay([first.delivery.id])
    await engine.settle((await claimOne(engine)).lease, attempt(1, { tookMs: 7 }), mailing)
    const { stories } = await claimMail(engine)
    expect(stories[0]?.attempts).toEqual([attempt(1, { tookMs: 7 })])
  })

  check('only what has ended is replayed, each once', async ({ engine }) => {
    const ids: Record<string, string> = {}
    for (const id of ['waiting', 'working', 'mailing', 'delivered', 'failed', 'cancelled']) {
      await owe(engine, id)
      const { delivery, lease } = await claimOne(engine)
      ids[id] = delivery.id
      if (id === 'waiting' || id === 'cancelled') await engine.release([lease])
      if (id === 'cancelled') await engine.cancel([delivery.id])
      if (id === 'mailing') await engine.settle(lease, attempt(), mailing)
      if (id === 'delivered') await engine.settle(lease, attempt(), { to: 'delivered' })
      if (id === 'failed') await engine.settle(lease, attempt(), { to: 'failed', reason: 'spent' })
      // Leased for good, so that the next one is the only one due.
      if (id === 'waiting') await claim(engine)
    }
    expect(await engine.replay([...Object.values(ids), ids.failed!, '999', 'no id'])).toBe(3)
    const due = (await claim(engine)).map(({ delivery }) => delivery.endpoint.id)
    expect(due.sort()).toEqual(['cancelled', 'delivered', 'failed'])
  })

  check('cancel ends what is pending, in work or not', async ({ engine, now }) => {
    await owe(engine, 'crm', 'erp')
    const [first, second] = await claim(engine)
    await engine.release([second!.lease])
    expect(await engine.cancel([first!.delivery.id, second!.delivery.id, '999'])).toBe(2)
    expect(await engine.settle(first!.lease, attempt(), mailing)).toBe('lost')
    expect(await claim(engine)).toEqual([])
    const { deliveries } = (await engine.find(first!.delivery.id))!
    for (const { delivery, attempts } of deliveries) {
      expect(delivery).toMatchObject({ state: 'cancelled', dueAt: null, endedAt: now(), reason: null })
      expect(attempts).toEqual([])
    }
  })

  check('what has ended, or is on its way by mail, is not cancelled', async ({ engine }) => {
    await owe(engine, 'crm', 'erp')
    const [first, second] = await claim(engine)
    await engine.settle(first!.lease, attempt(), { to: 'delivered' })
    await engine.settle(second!.lease, attempt(), mailing)
    expect(await engine.cancel([first!.delivery.id, second!.delivery.id])).toBe(0)
    expect((await engine.counts()).deliveries).toMatchObject({ delivered: 1, mailing: 1, cancelled: 0 })
  })
}
