// Whoever lost a delivery or a mail, and does not know it yet, takes it from nobody: neither its entry in the queue,
// which counts from the start again whenever it is put in anew, nor its row.
import { systemClock } from '../../../lib/clock.ts'
import { postgres } from '../../../lib/engines/postgres.ts'
import { deferred } from '../../support/deferred.ts'
import { sharedServer } from '../../support/postgres.ts'
import { onFreshSchema } from '../../support/postgres-engines.ts'
import { recorder } from '../../support/recorder.ts'
import { heldPool } from '../../support/watched-pool.ts'
import { attempt, claim, claimOne, leaseMs, owe, told } from '../conformance/steps.ts'

const server = await sharedServer()

/** Two processes; one has claimed what the other was handed since, the first time it went into the queue again. */
const start = async () => {
  const schema = onFreshSchema(server)
  let aheadMs = 0
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs }
  const [late, other] = [await schema.engine({ clock }), await schema.engine()]
  const event = await owe(late)
  const { lease } = await claimOne(late)
  await other.cancel([lease.id])
  expect(await other.replay([lease.id])).toBe(1)
  const taken = (await claimOne(other)).lease
  return {
    ...schema,
    late,
    other,
    event,
    lease,
    taken,
    sleepOn: () => {
      aheadMs += leaseMs
    },
    entries: () => schema.query(`SELECT id, state FROM ${schema.name}_queue.job`),
  }
}

describe('a delivery that another process has in work', () => {
  test('is not given back by a claim of whoever had it before', async () => {
    const { late, other, event, taken, sleepOn, entries } = await start()
    sleepOn()
    expect(await claim(late)).toEqual([])
    expect(await entries()).toEqual([{ id: taken.id, state: 'active' }])
    expect(await other.settle(taken, attempt(), { to: 'delivered' })).toBe('settled')
    expect((await told(other, event.id)).delivery).toMatchObject({ tries: 1, interruptions: 0 })
  })

  test('nor by its end', async () => {
    const { late, taken, entries } = await start()
    await late.close()
    expect(await entries()).toEqual([{ id: taken.id, state: 'active' }])
  })

  test('nor is its entry taken away by an outcome that comes late', async () => {
    const { late, other, lease, taken, entries } = await start()
    const settled = [
      late.settle(lease, attempt(), { to: 'delivered' }),
      late.settle(lease, attempt(), { to: 'delivered' }),
    ]
    expect(await Promise.all(settled)).toEqual(['lost', 'lost'])
    expect(await entries()).toEqual([{ id: taken.id, state: 'active' }])
    expect(await other.settle(taken, attempt(), { to: 'delivered' })).toBe('settled')
  })

  test('nor by a release in the midst of which it was claimed', async () => {
    const { name, engine } = onFreshSchema(server)
    const [reached, go] = [deferred(), deferred()]
    const pool = heldPool(server.url, /DELETE FROM[\s\S]+id = ANY\(\$2::uuid\[\]\)/, async () => {
      reached.resolve()
      await go.promise
    })
    const late = postgres({ pool, schema: name })
    try {
      await late.open({ clock: systemClock, logger: recorder() })
      const other = await engine()
      await owe(late)
      const { lease } = await claimOne(late)
      const released = late.release([lease])
      await reached.promise
      await other.cancel([lease.id])
      await other.replay([lease.id])
      const taken = (await claimOne(other)).lease
      go.resolve()
      await released
      expect(await claim(other)).toEqual([])
      expect(await other.settle(taken, attempt(), { to: 'delivered' })).toBe('settled')
    } finally {
      await late.close()
      await pool.end()
    }
  })
})
