// Promises about pruning: what is old goes, what is owed stays, and repeats are known.
import type { MailOutcome } from '../../../lib/delivery.ts'
import { type Engine, type Pruning, repeatMs } from '../../../lib/engine.ts'
import type { SmsEvent } from '../../../lib/event.ts'
import { smsEvent } from '../../support/events.ts'
import type { Check } from '../conformance.ts'
import { attempt, claim, claimMail, claimOne, endpoint, mailing, owe, oweMail, told } from './steps.ts'

const later = 1000

/** Prunes to the end, a few at a time; how much it was. */
const prune = async (engine: Engine, wish: Omit<Pruning, 'limit'>, limit = 3): Promise<number> => {
  let pruned = 0
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const slice = await engine.prune({ ...wish, limit, cursor })
    expect(slice.pruned).toBeLessThanOrEqual(limit)
    pruned += slice.pruned
    cursor = slice.cursor
  }
  return pruned
}

const deliver = async (engine: Engine, fields: Partial<SmsEvent> = {}): Promise<SmsEvent> => {
  const event = smsEvent(fields)
  await engine.accept([{ event, endpoints: [endpoint()] }])
  const { lease } = await claimOne(engine)
  await engine.settle(lease, attempt(), { to: 'delivered' })
  return event
}

const picture = {
  contentType: 'image/png',
  name: 'me.png',
  size: 3,
  data: 'AAAA',
  url: 'https://a.example/1',
}

export const pruning = (check: Check): void => {
  check('events that are old go with all that hangs on them', async ({ engine, now, advance }) => {
    const gone = await deliver(engine)
    const alsoGone = smsEvent()
    await engine.accept([{ event: alsoGone, endpoints: [] }])
    await advance(later)
    const kept = await deliver(engine)
    expect(await prune(engine, { eventsBefore: now() })).toBe(2)
    expect(await engine.find(gone.id)).toBeNull()
    expect(await engine.find(alsoGone.id)).toBeNull()
    expect((await engine.find(kept.id))?.deliveries[0]?.attempts).toHaveLength(1)
    expect(await engine.counts()).toMatchObject({ events: 1, deliveries: { delivered: 1 } })
    expect(await prune(engine, { eventsBefore: now() })).toBe(0)
  })

  check('mails go with the last of the events that they carried', async ({ engine, now, advance }) => {
    await oweMail(engine)
    const { lease } = await claimMail(engine)
    await engine.settleMail(lease, { type: 'sent', response: '250', rejected: [] }, { to: 'sent' })
    await advance(later)
    expect(await prune(engine, { eventsBefore: now() })).toBe(1)
    expect((await engine.counts()).mails).toEqual({ pending: 0, sent: 0, failed: 0 })
  })

  check('what is owed keeps everything until it has ended', async ({ engine, now, advance }) => {
    const mailed = await oweMail(engine)
    const event = await owe(engine, 'crm', 'erp')
    await engine.settle((await claim(engine))[0]!.lease, null, { to: 'delivered' })
    await advance(later)
    const before = await Promise.all([engine.find(event.id), engine.find(mailed.id)])
    const wish = { textBefore: now(), mediaBefore: now(), eventsBefore: now() }
    expect(await prune(engine, wish, 1)).toBe(0)
    expect(await Promise.all([engine.find(event.id), engine.find(mailed.id)])).toEqual(before)

    const { lease } = await claimMail(engine)
    await engine.settleMail(lease, { type: 'sent', response: '250', rejected: [] }, { to: 'sent' })
    expect(await prune(engine, wish, 1)).toBe(1)
    expect((await engine.find(event.id))?.event).toEqual(event)
    await engine.cancel(before[0]!.deliveries.map(({ delivery }) => delivery.id))
    expect(await prune(engine, wish, 1)).toBe(1)
    expect((await engine.counts()).events).toBe(0)
  })

  check('texts go with all that may repeat them; numbers and times stay', async (subject) => {
    const { engine, now, advance } = subject
    const event = await owe(engine)
    const words = { type: 'error', code: 'threw', message: 'cannot read Hello' } as const
    const { lease } = await claimOne(engine)
    await engine.settle(lease, attempt(1), { to: 'retry', dueAt: now(), hold: true })
    await engine.settle(lease, attempt(2, { outcome: words }), mailing)
    const sent: MailOutcome = { type: 'sent', response: '250 Hello', rejected: [] }
    await engine.settleMail((await claimMail(engine)).lease, sent, { to: 'sent' })
    const before = await told(engine, event.id)
    await advance(later)
    expect(await prune(engine, { textBefore: now() })).toBe(1)

    const found = await engine.find(event.id)
    expect(found?.event).toEqual({ ...event, text: null, raw: null, notes: ['pruned:text'] })
    const { delivery, attempts, mail } = await told(engine, event.id)
    expect(delivery).toEqual(before.delivery)
    expect(attempts.map(({ outcome }) => outcome)).toEqual([
      { ...before.attempts[0]!.outcome, excerpt: '' },
      { ...words, message: '' },
    ])
    expect(mail).toEqual({ ...before.mail, outcome: { ...sent, response: '' } })
    expect(await prune(engine, { textBefore: now() })).toBe(0)
  })

  check('files go by themselves: what they are stays, what is in them not', async (subject) => {
    const { engine, now, advance } = subject
    const event = await deliver(engine, { media: [picture], raw: { picture: 'AAAA' } })
    const plain = await deliver(engine)
    await advance(later)
    expect(await prune(engine, { mediaBefore: now() })).toBe(1)
    const media = [{ ...picture, data: null, url: null }]
    const left = { ...event, media, raw: null, notes: ['pruned:media'] }
    expect((await engine.find(event.id))?.event).toEqual(left)
    expect((await engine.find(plain.id))?.event).toEqual(plain)

    expect(await prune(engine, { textBefore: now(), mediaBefore: now() })).toBe(2)
    expect((await engine.find(event.id))?.event).toEqual({
      ...left,
      text: null,
      media: [{ ...media[0], name: null }],
      notes: ['pruned:media', 'pruned:text'],
    })
    expect(await prune(engine, { eventsBefore: now() })).toBe(2)
  })

  check('without its text nothing is replayed, nor owed to others', async ({ engine, now, advance }) => {
    const [event] = [await deliver(engine), await advance(later)]
    const { delivery } = await told(engine, event.id)
    await prune(engine, { textBefore: now() })
    expect(await engine.replay([delivery.id])).toBe(0)
    const join = { event: smsEvent({ identity: event.identity }), endpoints: [endpoint('erp')], join: true }
    expect(await engine.accept([join])).toEqual(['repeat'])
    expect((await told(engine, event.id)).delivery).toEqual(delivery)
  })

  check('a slice looks at no more than its limit, and the next goes on', async ({ engine, now, advance }) => {
    for (let n = 0; n < 5; n += 1) await deliver(engine)
    await owe(engine)
    for (let n = 0; n < 5; n += 1) await engine.accept([{ event: smsEvent(), endpoints: [] }])
    await advance(later)
    const first = await engine.prune({ eventsBefore: now(), limit: 4 })
    expect(first).toEqual({ pruned: 4, cursor: expect.any(String) })
    expect((await engine.counts()).events).toBe(7)
    expect(await prune(engine, { eventsBefore: now() }, 4)).toBe(6)
    expect((await engine.counts()).events).toBe(1)
  })

  check('what nobody could read goes with texts and with events', async ({ engine, now, advance }) => {
    const keep = (body: string) =>
      engine.quarantine(
        {
          gateway: 'pbx',
          method: 'POST',
          contentType: 'text/plain',
          body: Buffer.from(body),
          receivedAt: new Date(now()).toISOString(),
        },
        'body-unreadable',
      )
    for (const body of ['a', 'b', 'c', 'd', 'e']) await keep(body)
    await advance(later)
    await keep('f')
    expect(await prune(engine, { mediaBefore: now() + later })).toBe(0)
    expect(await prune(engine, { textBefore: now() })).toBe(5)
    expect((await engine.counts()).quarantined).toBe(1)
    expect(await prune(engine, { eventsBefore: now() + 1 })).toBe(1)
  })

  check('a repeat of what was pruned is one for a week, and then it is not', async (subject) => {
    const { engine, now, advance } = subject
    const event = await deliver(engine)
    const again = (join: boolean) =>
      engine.accept([{ event: smsEvent({ identity: event.identity }), endpoints: [endpoint()], join }])
    await advance(later)
    await prune(engine, { eventsBefore: now() })
    expect([await again(false), await again(true)]).toEqual([['repeat'], ['repeat']])
    expect(await engine.counts()).toMatchObject({ events: 0, deliveries: { pending: 0 } })
    expect(
      await engine.accept([{ event: smsEvent({ identity: event.identity, gateway: 'b' }), endpoints: [] }]),
    ).toEqual(['stored'])

    await advance(repeatMs - later)
    await prune(engine, { eventsBefore: now() })
    expect(await again(false)).toEqual(['repeat'])
    await advance(1)
    await prune(engine, { eventsBefore: now() })
    expect(await again(false)).toEqual(['stored'])
  })

  check('of what was known for a week nothing is left', async ({ engine, now, advance }) => {
    const event = await deliver(engine)
    await advance(repeatMs + 1)
    expect(await prune(engine, { eventsBefore: now() })).toBe(1)
    const again = { event: smsEvent({ identity: event.identity }), endpoints: [] }
    expect(await engine.accept([again])).toEqual(['stored'])
  })
}
