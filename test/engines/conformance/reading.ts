// Promises about reading, and about the quarantine, which is only counted.
import type { Engine, Filter, QuarantinedRequest } from '../../../lib/engine.ts'
import { smsEvent } from '../../support/events.ts'
import type { Check } from '../conformance.ts'
import { attempt, claim, claimOne, endpoint, owe, oweMail } from './steps.ts'

const pages = async (engine: Engine, filter: Filter, limit: number): Promise<string[][]> => {
  const all: string[][] = []
  let cursor: string | null | undefined
  do {
    const page = await engine.list(filter, { limit, cursor: cursor ?? undefined })
    all.push(page.items.map(({ event, delivery }) => `${event.gateway} ${delivery.endpoint.id}`))
    cursor = page.cursor
  } while (cursor !== null)
  return all
}

const request = (fields: Partial<QuarantinedRequest> = {}): QuarantinedRequest => ({
  gateway: 'pbx',
  method: 'POST',
  contentType: 'text/plain',
  body: Buffer.from('hello \u0000'),
  receivedAt: '2026-01-01T00:00:00.000Z',
  ...fields,
})

export const reading = (check: Check): void => {
  check('find knows events and deliveries by their ids', async ({ engine }) => {
    const event = await owe(engine, 'crm', 'erp')
    const other = await owe(engine)
    const found = await engine.find(event.id)
    expect(found?.event).toEqual(event)
    expect(found?.deliveries.map(({ delivery }) => delivery.endpoint.id)).toEqual(['crm', 'erp'])
    for (const { delivery } of found!.deliveries) expect(await engine.find(delivery.id)).toEqual(found)
    expect((await engine.find(other.id))?.deliveries).toHaveLength(1)
    for (const id of ['', '0', '-1', '999', 'no such', "' OR 1", event.identity]) {
      expect(await engine.find(id)).toBeNull()
    }
  })

  check('list pages through everything once, the newest first', async ({ engine }) => {
    for (const id of ['a', 'b', 'c', 'd', 'e']) await owe(engine, id)
    const all = [['pbx e', 'pbx d'], ['pbx c', 'pbx b'], ['pbx a']]
    expect(await pages(engine, {}, 2)).toEqual(all)
    expect(await pages(engine, {}, 5)).toEqual([all.flat()])
    const { items, cursor } = await engine.list({}, { limit: 1 })
    await owe(engine, 'f')
    expect((await engine.list({}, { limit: 1, cursor: cursor! })).items[0]?.delivery.endpoint.id).toBe('d')
    expect(items[0]?.delivery).toMatchObject({ state: 'pending', tries: 0 })
  })

  check('list filters by state, endpoint and gateway', async ({ engine }) => {
    for (const gateway of ['pbx', 'cell']) {
      await engine.accept([
        { event: smsEvent({ gateway }), endpoints: [endpoint('crm'), endpoint('erp')] },
        { event: smsEvent({ gateway }), endpoints: [endpoint('crm')] },
      ])
    }
    const erp = (await claim(engine)).filter(({ delivery }) => delivery.endpoint.id === 'erp')
    for (const { lease } of erp) await engine.settle(lease, attempt(), { to: 'delivered' })
    const list = async (filter: Filter) => (await pages(engine, filter, 10)).flat()
    expect(await list({ state: 'delivered' })).toEqual(['cell erp', 'pbx erp'])
    expect(await list({ state: 'pending' })).toEqual(['cell crm', 'cell crm', 'pbx crm', 'pbx crm'])
    expect(await list({ endpoint: 'erp' })).toEqual(['cell erp', 'pbx erp'])
    expect(await list({ gateway: 'pbx' })).toEqual(['pbx crm', 'pbx erp', 'pbx crm'])
    expect(await list({ gateway: 'pbx', state: 'delivered', endpoint: 'erp' })).toEqual(['pbx erp'])
    expect(await list({ gateway: 'pbx', state: 'delivered', endpoint: undefined })).toEqual(['pbx erp'])
    expect(await list({ gateway: 'none' })).toEqual([])
    expect(await list({ state: 'failed' })).toEqual([])
  })

  check('counts counts all there is, by state', async ({ engine }) => {
    const none = { pending: 0, delivered: 0, mailing: 0, emailed: 0, failed: 0, cancelled: 0 }
    const nothing = { events: 0, deliveries: none, mails: { pending: 0, sent: 0, failed: 0 }, quarantined: 0 }
    expect(await engine.counts()).toEqual(nothing)
    await oweMail(engine)
    await owe(engine, 'crm')
    await engine.settle((await claimOne(engine)).lease, attempt(), { to: 'delivered' })
    await owe(engine, 'crm', 'erp')
    await engine.quarantine(request(), 'body-unreadable')
    expect(await engine.counts()).toEqual({
      events: 3,
      deliveries: { ...none, pending: 2, delivered: 1, mailing: 1 },
      mails: { pending: 1, sent: 0, failed: 0 },
      quarantined: 1,
    })
  })

  check('a request is quarantined once, whoever sends it how often', async ({ engine }) => {
    const kept = async () => (await engine.counts()).quarantined
    await engine.quarantine(request(), 'body-unreadable')
    await engine.quarantine(request({ receivedAt: '2026-02-01T00:00:00.000Z' }), 'other')
    expect(await kept()).toBe(1)
    await engine.quarantine(request({ gateway: 'cell' }), 'body-unreadable')
    await engine.quarantine(request({ body: Buffer.from('other') }), 'body-unreadable')
    expect(await kept()).toBe(3)
  })

  check('the quarantine keeps at most 1,000 requests, the newest', async ({ engine }) => {
    const body = (n: number) => Buffer.from(`body ${n}`)
    const keep = (n: number) => engine.quarantine(request({ body: body(n) }), 'body-unreadable')
    await Promise.all(Array.from({ length: 1005 }, (_, n) => keep(n)))
    expect((await engine.counts()).quarantined).toBe(1000)
    // Those still there change nothing, the dropped one comes in anew and drops the next.
    await keep(1004)
    await keep(5)
    await keep(0)
    expect((await engine.counts()).quarantined).toBe(1000)
  })

  check('the quarantine keeps at most 16 MB', async ({ engine }) => {
    const megabytes = (n: number, mark: number) => request({ body: Buffer.alloc(n * 2 ** 20, mark) })
    for (let n = 0; n < 17; n += 1) await engine.quarantine(megabytes(1, n), 'body-unreadable')
    expect((await engine.counts()).quarantined).toBe(16)
    await engine.quarantine(megabytes(10, 99), 'body-unreadable')
    expect((await engine.counts()).quarantined).toBe(7)
  })
}
