// Our rows and pg-boss's entries when they do not agree, and claims that would be too large for the host's memory.
import { smsEvent } from '../../support/events.ts'
import { sharedServer } from '../../support/postgres.ts'
import { onFreshSchema } from '../../support/postgres-engines.ts'
import { attempt, claim, claimMails, endpoint, mailing, owe } from '../conformance/steps.ts'

const server = await sharedServer()

const start = () => {
  const schema = onFreshSchema(server)
  return {
    ...schema,
    entries: async () => {
      const [row] = await schema.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM ${schema.name}_queue.job`,
      )
      return row!.n
    },
    dropEntries: () => schema.query(`DELETE FROM ${schema.name}_queue.job`),
  }
}

describe('what has no entry', () => {
  test('gets one when the next process opens', async () => {
    const { engine, dropEntries, entries } = start()
    const one = await engine()
    const [due, later] = [await owe(one), await owe(one)]
    const { lease } = (await claim(one)).find(({ event }) => event.id === later.id)!
    await one.settle(lease, attempt(), { to: 'retry', dueAt: Date.now() + 60_000, hold: false })
    await owe(one)
    await one.close()
    const next = await engine()
    const third = (await claim(next)).find(({ event }) => event.id !== due.id)!
    await next.settle(third.lease, attempt(), mailing)
    await next.close()
    expect(await entries()).toBe(3)
    await dropEntries()

    const last = await engine()
    expect(await entries()).toBe(3)
    const claims = await claim(last)
    expect(claims.map(({ event }) => event.id)).toEqual([due.id])
    expect(await claimMails(last)).toHaveLength(1)
  })

  test('gets one however many they are, and one though several open at once', async () => {
    const { engine, dropEntries, entries } = start()
    const one = await engine()
    await one.accept(Array.from({ length: 2300 }, () => ({ event: smsEvent(), endpoints: [endpoint()] })))
    await dropEntries()
    await Promise.all([engine(), engine(), engine()])
    expect(await entries()).toBe(2300)
    expect(await claim(one, { limit: 2300, default: 2300 })).toHaveLength(2300)
  })

  test('is left alone where it has one, in work or not', async () => {
    const { engine, name, query } = start()
    const one = await engine()
    await owe(one)
    await owe(one)
    const { lease } = (await claim(one, { limit: 1 }))[0]!
    const rows = () => query(`SELECT id, state, retry_count, start_after FROM ${name}_queue.job ORDER BY id`)
    const before = await rows()
    const next = await engine()
    expect(await rows()).toEqual(before)
    expect(await claim(next)).toHaveLength(1)
    expect(await one.settle(lease, attempt(), { to: 'delivered' })).toBe('settled')
  })
})

describe('an entry', () => {
  test('without a row, or of one that has ended, is dropped when it is due', async () => {
    const { engine, name, query, entries } = start()
    const one = await engine()
    const [gone, over, owed] = [await owe(one), await owe(one), await owe(one)]
    await query(
      `DELETE FROM ${name}.deliveries d USING ${name}.events e WHERE e.seq = d.event AND e.id = '${gone.id}'`,
    )
    await query(
      `UPDATE ${name}.deliveries d SET state = 'cancelled' FROM ${name}.events e WHERE e.seq = d.event AND e.id = '${over.id}'`,
    )
    expect((await claim(one)).map(({ event }) => event.id)).toEqual([owed.id])
    expect(await entries()).toBe(1)
  })
})

describe('a claim', () => {
  test('takes no more than 16 MB, and one however large it is; the rest is left as it was', async () => {
    const { engine } = start()
    const one = await engine()
    const large = (megabytes: number) => ({
      event: smsEvent({ raw: 'r'.repeat(megabytes * 2 ** 20) }),
      endpoints: [endpoint()],
    })
    for (const megabytes of [6, 6, 6, 18, 1]) await one.accept([large(megabytes)])
    const sizes: number[][] = []
    for (let left = 5; left > 0; ) {
      const claims = await claim(one)
      sizes.push(claims.map(({ event }) => Math.floor(JSON.stringify(event).length / 2 ** 20)))
      expect(claims.map(({ delivery }) => delivery.interruptions)).toEqual(claims.map(() => 0))
      expect(claims.length).toBeGreaterThan(0)
      left -= claims.length
    }
    expect(sizes).toEqual([[6, 6], [6], [18], [1]])
  })
})
