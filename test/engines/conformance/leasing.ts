// Promises about leases: what their loss means, how they are extended and given back.
import type { Check } from '../conformance.ts'
import { attempt, claim, claimMail, claimMails, claimOne, leaseMs, owe, oweMail, told } from './steps.ts'

export const leasing = (check: Check): void => {
  check('a lease lost in mid-try is an interruption, not a try', async ({ engine, advance }) => {
    const event = await owe(engine)
    for (const interruptions of [0, 1, 2]) {
      expect((await claimOne(engine)).delivery).toMatchObject({ tries: 0, interruptions })
      await advance(leaseMs)
    }
    expect((await told(engine, event.id)).attempts).toEqual([])
  })

  check('interruptions stay counted over the tries of a round', async ({ engine, now, advance }) => {
    await owe(engine)
    await claimOne(engine)
    await advance(leaseMs)
    const { lease } = await claimOne(engine)
    await engine.settle(lease, attempt(), { to: 'retry', dueAt: now(), hold: false })
    expect((await claimOne(engine)).delivery).toMatchObject({ tries: 1, interruptions: 1 })
  })

  check('a lease lost between two tries is no interruption', async ({ engine, now, advance }) => {
    await owe(engine)
    const { lease } = await claimOne(engine)
    const dueAt = now() + 10_000
    await engine.settle(lease, attempt(), { to: 'retry', dueAt, hold: true })
    await advance(leaseMs)
    expect((await claimOne(engine)).delivery).toMatchObject({ tries: 1, interruptions: 0, dueAt })
  })

  check('a lease lost between two tries makes nothing due sooner', async ({ engine, now, advance }) => {
    await owe(engine)
    const { lease } = await claimOne(engine)
    await engine.settle(lease, attempt(), { to: 'retry', dueAt: now() + leaseMs * 2, hold: true })
    await advance(leaseMs * 2 - 1)
    expect(await claim(engine)).toEqual([])
    await advance(1)
    expect((await claimOne(engine)).delivery).toMatchObject({ tries: 1, interruptions: 0 })
  })

  check('renewing what is due again says that it is being tried', async ({ engine, now, advance }) => {
    await owe(engine)
    const { lease } = await claimOne(engine)
    await engine.settle(lease, attempt(), { to: 'retry', dueAt: now() + 5000, hold: true })
    await advance(5000)
    expect(await engine.renew([lease], leaseMs)).toEqual(['renewed'])
    await advance(leaseMs)
    expect((await claimOne(engine)).delivery).toMatchObject({ tries: 1, interruptions: 1 })
  })

  check('renewing during the wait keeps it a wait, and due when it was', async ({ engine, now, advance }) => {
    await owe(engine)
    const { lease } = await claimOne(engine)
    const dueAt = now() + leaseMs * 2
    await engine.settle(lease, attempt(), { to: 'retry', dueAt, hold: true })
    await advance(leaseMs / 2)
    expect(await engine.renew([lease], leaseMs)).toEqual(['renewed'])
    await advance(leaseMs * 1.5 - 1)
    expect(await claim(engine)).toEqual([])
    await advance(1)
    expect((await claimOne(engine)).delivery).toMatchObject({ tries: 1, interruptions: 0, dueAt })
  })

  check('renew extends what is ours and tells what is lost, in order', async ({ engine, advance }) => {
    await owe(engine, 'crm', 'erp', 'old')
    const [first, second, third] = (await claim(engine)).map(({ lease }) => lease)
    await engine.settle(second!, attempt(), { to: 'delivered' })
    await advance(leaseMs - 1)
    const stale = { ...third!, token: 'made up' }
    expect(await engine.renew([first!, second!, stale], leaseMs)).toEqual(['renewed', 'lost', 'lost'])
    expect(await engine.renew([], leaseMs)).toEqual([])
    await advance(1)
    expect((await claim(engine)).map(({ lease }) => lease.id)).toEqual([third!.id])
    await advance(leaseMs - 2)
    expect(await claim(engine)).toEqual([])
    await advance(1)
    expect((await claim(engine)).map(({ lease }) => lease.id)).toEqual([first!.id])
  })

  check('renew tells a mail from a delivery', async ({ engine, advance }) => {
    await oweMail(engine)
    await owe(engine)
    const mail = await claimMail(engine)
    const delivery = await claimOne(engine)
    await advance(leaseMs - 1)
    expect(await engine.renew([mail.lease], leaseMs)).toEqual(['renewed'])
    await advance(1)
    expect(await claimMails(engine)).toEqual([])
    expect((await claimOne(engine)).lease.id).toBe(delivery.lease.id)
    await advance(leaseMs - 1)
    expect((await claimMail(engine)).lease.id).toBe(mail.lease.id)
    expect(await engine.renew([mail.lease], leaseMs)).toEqual(['lost'])
  })

  check('what is given back is due as it was, without an interruption', async ({ engine, now }) => {
    await owe(engine, 'crm', 'erp')
    const [first, second] = await claim(engine)
    await engine.settle(second!.lease, attempt(), { to: 'retry', dueAt: now() + 60_000, hold: true })
    await engine.release([first!.lease, second!.lease])
    expect(await engine.settle(first!.lease, attempt(), { to: 'delivered' })).toBe('lost')
    const { lease, delivery } = await claimOne(engine)
    expect(lease.id).toBe(first!.lease.id)
    expect(delivery).toEqual(first!.delivery)
    const waiting = (await engine.find(second!.lease.id))!.deliveries.map((one) => one.delivery)
    expect(waiting[1]).toMatchObject({ tries: 1, interruptions: 0, dueAt: now() + 60_000 })
  })

  check('a mail that is given back is due as it was', async ({ engine }) => {
    await oweMail(engine)
    const { lease } = await claimMail(engine)
    await engine.release([lease])
    expect((await claimMail(engine)).lease.id).toBe(lease.id)
  })

  check('giving back a stale lease changes nothing', async ({ engine, advance }) => {
    await owe(engine)
    const stale = (await claimOne(engine)).lease
    await advance(leaseMs)
    const fresh = (await claimOne(engine)).lease
    await engine.release([stale, { id: '999', token: stale.token }])
    expect(await claim(engine)).toEqual([])
    expect(await engine.settle(fresh, attempt(), { to: 'delivered' })).toBe('settled')
  })
}
