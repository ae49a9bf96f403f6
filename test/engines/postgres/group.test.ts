// Group commit: calls of one process that come together share a transaction, and one that fails takes no other along.
import { smsEvent } from '../../support/events.ts'
import { sharedServer } from '../../support/postgres.ts'
import { onFreshSchema } from '../../support/postgres-engines.ts'
import { attempt, claim, endpoint } from '../conformance/steps.ts'

const server = await sharedServer()

const start = async () => {
  const schema = onFreshSchema(server)
  const engine = await schema.engine()
  return {
    schema,
    engine,
    /** How many transactions the rows of a table come from. */
    transactions: async (table: string) => {
      const [row] = await schema.query<{ n: number }>(
        `SELECT count(DISTINCT xmin::text)::int AS n FROM ${schema.name}.${table}`,
      )
      return row!.n
    },
    accept: (fields = {}) => engine.accept([{ event: smsEvent(fields), endpoints: [endpoint()] }]),
  }
}

describe('calls that come together', () => {
  test('share a transaction, and each that comes alone has one', async () => {
    const { accept, transactions, engine } = await start()
    const answers = await Promise.all(Array.from({ length: 200 }, () => accept()))
    expect(answers).toEqual(Array.from({ length: 200 }, () => ['stored']))
    // The first may have gone before the others came.
    expect(await transactions('events')).toBeLessThanOrEqual(2)
    expect(await transactions('deliveries')).toBe(await transactions('events'))
    const before = await transactions('events')
    for (let n = 0; n < 3; n += 1) await accept()
    expect(await transactions('events')).toBe(before + 3)

    const claims = await claim(engine)
    expect(claims).toHaveLength(100)
    await Promise.all(claims.map(({ lease }) => engine.settle(lease, attempt(), { to: 'delivered' })))
    expect(await transactions('attempts')).toBeLessThanOrEqual(2)
  })

  test('do not fail with one that fails', async () => {
    const { accept, engine, schema } = await start()
    await schema.query(`ALTER TABLE ${schema.name}.events ADD CONSTRAINT gateways CHECK (gateway <> 'bad')`)
    const answers = await Promise.allSettled([
      accept(),
      accept({ gateway: 'bad', text: 'a secret' }),
      accept(),
      engine.accept(['pbx', 'bad'].map((gateway) => ({ event: smsEvent({ gateway }), endpoints: [] }))),
      accept(),
    ])
    expect(answers.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    const { reason } = answers[1] as PromiseRejectedResult
    expect(reason).toMatchObject({ code: 'engine-failed' })
    expect(`${reason} ${reason.cause}`).not.toContain('a secret')
    expect(await engine.counts()).toMatchObject({ events: 3, deliveries: { pending: 3 } })
  })

  test('tell one of two that bring the same that it is a repeat', async () => {
    const { accept, engine } = await start()
    const same = { identity: 'the same' }
    const answers = await Promise.all([accept(same), accept(same), accept()])
    expect(answers).toEqual([['stored'], ['repeat'], ['stored']])
    expect((await engine.counts()).events).toBe(2)
  })

  test('of two processes that bring the same, one is told that it is a repeat', async () => {
    const { engine, schema } = await start()
    const other = await schema.engine()
    const all = Array.from({ length: 200 }, () => ({ event: smsEvent(), endpoints: [endpoint()] }))
    // Each sees them in another order; neither may stand in the other's way for ever.
    const [ours, theirs] = await Promise.all([
      Promise.all(all.map((one) => engine.accept([one]))),
      Promise.all(all.toReversed().map((one) => other.accept([one]))),
    ])
    const answers = ours.map(([answer], index) => [answer, theirs.toReversed()[index]![0]].sort())
    expect(answers).toEqual(all.map(() => ['repeat', 'stored']))
    expect(await engine.counts()).toMatchObject({ events: 200, deliveries: { pending: 200 } })
  })
})
