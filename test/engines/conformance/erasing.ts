// Promises about erasing a number: all of it goes, whatever it is at, and repeats stay away.
import type { MailOutcome } from '../../../lib/delivery.ts'
import { type Engine, repeatMs } from '../../../lib/engine.ts'
import type { Address, SmsEvent } from '../../../lib/event.ts'
import { smsEvent } from '../../support/events.ts'
import type { Check } from '../conformance.ts'
import { attempt, claim, claimMail, claimMails, claimOne, endpoint, mailing } from './steps.ts'

const number = '+61411122233'
const of = (raw: string, fields: Partial<Address> = {}): Address => ({
  raw,
  kind: 'unknown',
  e164: null,
  ...fields,
})
const person = of(number, { kind: 'e164', e164: number })

const owe = async (engine: Engine, fields: Partial<SmsEvent>, ...ids: string[]): Promise<SmsEvent> => {
  const event = smsEvent(fields)
  await engine.accept([{ event, endpoints: ids.map((id) => endpoint(id)) }])
  return event
}

const sent: MailOutcome = { type: 'sent', response: '250 ok', rejected: [] }

export const erasing = (check: Check): void => {
  check('whatever came from or went to a number goes, and nothing else', async ({ engine }) => {
    const gone = [
      await owe(engine, { from: person }, 'crm'),
      await owe(engine, { to: person, type: 'message.delivered' }),
      await owe(engine, { from: of('(0411) 122 233', { e164: number }) }),
      await owe(engine, { from: of('0061 411-122-233') }),
      await owe(engine, { from: null, to: null, type: 'unknown', raw: { phone: '61 411 122 233' } }),
    ]
    const kept = [
      await owe(engine, {}, 'crm'),
      await owe(engine, { from: of('+614111222334') }),
      await owe(engine, { from: of('+1411122233') }),
      await owe(engine, { from: null, to: null, type: 'unknown', raw: { phone: '123' } }),
    ]
    expect(await engine.erase(['+61 411 122 233'])).toBe(gone.length)
    for (const { id } of gone) expect(await engine.find(id)).toBeNull()
    for (const event of kept) expect((await engine.find(event.id))?.event).toEqual(event)
    expect(await engine.counts()).toMatchObject({ events: kept.length, deliveries: { pending: 1 } })
    expect(await engine.erase([number])).toBe(0)
  })

  check('names are compared by their letters, email addresses as they are', async ({ engine }) => {
    await owe(engine, { from: of('My Shop 24') })
    await owe(engine, { from: of('My Shop') })
    await owe(engine, { from: of('a.b@example.com') })
    await owe(engine, { from: of('ab@example.com') })
    expect(await engine.erase([' + ', 'MY-SHOP 24', 'AB@example.com'])).toBe(2)
    expect(await engine.erase([' + '])).toBe(0)
    expect(await engine.erase([])).toBe(0)
    expect((await engine.counts()).events).toBe(2)
  })

  check('all of many go', async ({ engine }) => {
    const items = Array.from({ length: 1200 }, (_, n) => ({
      event: smsEvent(n % 3 === 0 ? {} : { from: person }),
      endpoints: [endpoint()],
    }))
    await engine.accept(items)
    expect(await engine.erase([number])).toBe(800)
    expect(await engine.counts()).toMatchObject({ events: 400, deliveries: { pending: 400 } })
  })

  check('what waits is delivered no more, and a try in work is lost', async ({ engine, advance }) => {
    await owe(engine, { from: person }, 'crm', 'erp')
    const [first, other] = await claim(engine)
    const { lease } = first!
    await engine.release([other!.lease])
    expect(await engine.erase([number])).toBe(1)
    expect(await engine.renew([lease], 1000)).toEqual(['lost'])
    expect(await engine.settle(lease, attempt(), mailing)).toBe('lost')
    await engine.release([lease])
    await advance(60_000)
    expect(await claim(engine)).toEqual([])
    expect(await claimMails(engine)).toEqual([])
    expect(await engine.find(lease.id)).toBeNull()
    expect(await engine.counts()).toMatchObject({ events: 0, deliveries: { pending: 0, mailing: 0 } })
  })

  check('a mail that is owed is sent no more, and one in work is lost', async ({ engine, advance }) => {
    const mailOne = async () => {
      await owe(engine, { from: person }, 'crm')
      await engine.settle((await claimOne(engine)).lease, attempt(), mailing)
    }
    await mailOne()
    const { lease } = await claimMail(engine)
    await mailOne()
    expect(await engine.erase([number])).toBe(2)
    expect(await engine.renew([lease], 1000)).toEqual(['lost'])
    expect(await engine.settleMail(lease, sent, { to: 'sent' })).toBe('lost')
    await advance(60_000)
    expect(await claimMails(engine)).toEqual([])
    expect((await engine.counts()).mails).toEqual({ pending: 0, sent: 0, failed: 0 })
  })

  check('lost leases touch nothing that came later', async ({ engine }) => {
    await owe(engine, { from: person }, 'crm')
    const { lease } = await claimOne(engine)
    await engine.erase([number])
    const next = await owe(engine, {}, 'crm')
    expect(await engine.settle(lease, attempt(), { to: 'delivered' })).toBe('lost')
    expect((await engine.find(next.id))?.deliveries[0]).toMatchObject({
      delivery: { state: 'pending' },
      attempts: [],
    })
  })

  check('a repeat of what was erased is one, and nothing of it is stored', async (subject) => {
    const { engine, now, advance } = subject
    const event = await owe(engine, { from: person }, 'crm')
    await engine.erase([number])
    const again = { event: smsEvent({ from: person, identity: event.identity }), endpoints: [endpoint()] }
    expect(await engine.accept([again, { ...again, join: true }])).toEqual(['repeat', 'repeat'])
    expect((await engine.counts()).events).toBe(0)
    const fresh = smsEvent({ from: person })
    expect(await engine.accept([{ event: fresh, endpoints: [] }])).toEqual(['stored'])

    await advance(repeatMs + 1)
    await engine.prune({ textBefore: now(), limit: 100 })
    expect(await engine.accept([again])).toEqual(['repeat'])
  })

  check('of what nobody could read, that goes which may hold the number', async ({ engine }) => {
    const bodies = [
      'from=%2B61411122233&body=hi',
      '{"from":"\\u002b61 411 122 233"}',
      'from=+61-411-122-233',
      '<from>%36%31411122233</from>',
      'from=%2B61411122234',
      'nothing at all',
    ]
    for (const body of bodies) {
      const request = { gateway: 'pbx', method: 'POST', contentType: 'a/b', body: Buffer.from(body) }
      await engine.quarantine({ ...request, receivedAt: '2026-01-01T00:00:00.000Z' }, 'body-unreadable')
    }
    expect(await engine.erase([number])).toBe(0)
    expect((await engine.counts()).quarantined).toBe(2)
  })
}
