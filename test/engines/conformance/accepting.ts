// Promises about accepting: stored once, all or nothing, and as it came.
import { smsEvent } from '../../support/events.ts'
import type { Check } from '../conformance.ts'
import { claim, endpoint, owe } from './steps.ts'

export const accepting = (check: Check): void => {
  check('an event and what it owes are stored as they came', async ({ engine, now }) => {
    const event = smsEvent({
      text: `emoji 😀, "it's", \u0000, \u202e, \ud800 and ${'long '.repeat(320)}`,
      media: [{ contentType: 'image/png', name: null, size: 3, data: 'AAAA', url: null }],
      raw: { deep: [{ er: [null, true, 1.5, 'ü'] }] },
    })
    const owed = endpoint('crm', { url: 'http://example.com/?a=1', secrets: ['s'], policy: { tries: 3 } })
    expect(await engine.accept([{ event, endpoints: [owed] }])).toEqual(['stored'])
    const found = await engine.find(event.id)
    expect(found?.event).toEqual(event)
    expect(found?.deliveries).toEqual([
      {
        delivery: {
          id: expect.any(String),
          eventId: event.id,
          endpoint: owed,
          state: 'pending',
          tries: 0,
          interruptions: 0,
          round: 1,
          createdAt: now(),
          dueAt: now(),
          endedAt: null,
          reason: null,
          mailId: null,
        },
        attempts: [],
        mail: null,
      },
    ])
  })

  check('a repeat is stored once and changes nothing', async ({ engine }) => {
    const event = smsEvent()
    await engine.accept([{ event, endpoints: [endpoint('crm')] }])
    const again = smsEvent({ identity: event.identity, text: 'other' })
    expect(await engine.accept([{ event: again, endpoints: [endpoint('erp')] }])).toEqual(['repeat'])
    expect(await engine.find(again.id)).toBeNull()
    const found = await engine.find(event.id)
    expect(found?.event.text).toBe(event.text)
    expect(found?.deliveries).toHaveLength(1)
  })

  check('the same identity at two gateways is two events', async ({ engine }) => {
    const identity = 'same'
    const items = ['a', 'b'].map((gateway) => ({ event: smsEvent({ gateway, identity }), endpoints: [] }))
    expect(await engine.accept(items)).toEqual(['stored', 'stored'])
    expect((await engine.counts()).events).toBe(2)
  })

  check('a repeat within one call is a repeat, and the answers keep the order', async ({ engine }) => {
    const [first, second] = [smsEvent(), smsEvent()]
    const items = [first, second, smsEvent({ identity: first.identity })].map((event) => ({
      event,
      endpoints: [endpoint()],
    }))
    expect(await engine.accept(items)).toEqual(['stored', 'stored', 'repeat'])
    expect(await engine.accept(items.slice(0, 1))).toEqual(['repeat'])
  })

  check('a joining repeat is owed to the endpoints that it is not owed to yet', async ({ engine }) => {
    const event = await owe(engine, 'crm')
    const again = smsEvent({ identity: event.identity })
    const join = { event: again, endpoints: [endpoint('crm'), endpoint('erp')], join: true }
    expect(await engine.accept([join])).toEqual(['stored'])
    expect(await engine.accept([join])).toEqual(['repeat'])
    const claims = await claim(engine)
    expect(claims.map(({ delivery }) => delivery.endpoint.id).sort()).toEqual(['crm', 'erp'])
    expect(claims.map((one) => one.event)).toEqual([event, event])
  })

  check('a joining event that is new is stored', async ({ engine }) => {
    const item = { event: smsEvent(), endpoints: [endpoint()], join: true }
    expect(await engine.accept([item])).toEqual(['stored'])
    expect(await claim(engine)).toHaveLength(1)
  })

  check('an endpoint named twice is owed once', async ({ engine }) => {
    await engine.accept([{ event: smsEvent(), endpoints: [endpoint(), endpoint()] }])
    expect(await claim(engine)).toHaveLength(1)
  })

  check('an event that nobody is owed is stored', async ({ engine }) => {
    const event = smsEvent()
    expect(await engine.accept([{ event, endpoints: [] }])).toEqual(['stored'])
    expect(await engine.find(event.id)).toEqual({ event, deliveries: [] })
    expect(await engine.accept([])).toEqual([])
  })

  check('when one item fails nothing of its call is stored', async ({ engine }) => {
    const stored = await owe(engine)
    // Its id is taken by another event, which no store can keep.
    const failing = smsEvent({ id: stored.id })
    const items = [smsEvent(), failing, smsEvent()].map((event) => ({ event, endpoints: [endpoint()] }))
    await expect(engine.accept(items)).rejects.toMatchObject({ name: 'EngineError', code: 'engine-failed' })
    expect(await engine.counts()).toMatchObject({ events: 1, deliveries: { pending: 1 } })
    await engine.accept(items.filter(({ event }) => event !== failing))
    expect(await engine.counts()).toMatchObject({ events: 3, deliveries: { pending: 3 } })
  })

  check('a call that fails takes no other call with it', async ({ engine }) => {
    const stored = await owe(engine)
    const accept = (event = smsEvent()) => engine.accept([{ event, endpoints: [endpoint()] }])
    const answers = await Promise.allSettled([
      accept(),
      accept(),
      accept(smsEvent({ id: stored.id })),
      accept(),
    ])
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(await engine.counts()).toMatchObject({ events: 4, deliveries: { pending: 4 } })
  })

  check('of many callers at once each is stored once', async ({ engine }) => {
    const events = Array.from({ length: 100 }, () => smsEvent())
    const answers = await Promise.all(
      [...events, ...events].map((event) => engine.accept([{ event, endpoints: [endpoint()] }])),
    )
    expect(answers.flat().filter((answer) => answer === 'stored')).toHaveLength(100)
    expect(await engine.counts()).toMatchObject({ events: 100, deliveries: { pending: 100 } })
    const claims = await claim(engine, { limit: 200, default: 200 })
    expect(new Set(claims.map(({ event }) => event.id))).toEqual(new Set(events.map(({ id }) => id)))
  })
}
