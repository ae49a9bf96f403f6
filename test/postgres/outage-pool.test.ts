// A pool of the host's: all of it in the host's hands for a while, too small, cut off, and given back as it was.
import { jest } from '@jest/globals'
import pg from 'pg'
import { systemClock } from '../../lib/clock.ts'
import { postgres } from '../../lib/index.ts'
import { smsEvent, webhookEndpoint } from '../support/events.ts'
import { manualClock, settled } from '../support/manual-clock.ts'
import { query, sharedServer } from '../support/postgres.ts'
import { recorder } from '../support/recorder.ts'
import { afterwards, openShop, openWebhook, pbxForm, post, token } from '../support/shop.ts'
import { until } from '../support/until.ts'

// An accept waits for a connection for five seconds.
jest.setTimeout(40_000)

const server = await sharedServer()

type Activity = { pid: number; state: string; query: string; wait: string | null }

const cut = async (all: readonly Activity[]) => {
  for (const { pid } of all) await query(server.url, 'SELECT pg_terminate_backend($1)', [pid])
}

const openPool = (max: number) => {
  const { name: schema, drop } = server.freshSchema()
  const pool = new pg.Pool({ connectionString: server.url, max, application_name: schema })
  let removed = 0
  pool.on('remove', () => {
    removed += 1
  })
  afterwards(async () => {
    await pool.end()
    await drop()
  })
  /** What its connections are at, and those that were made in its name. */
  const activity = () =>
    query<Activity>(
      server.url,
      'SELECT pid, state, query, wait_event_type AS wait FROM pg_stat_activity WHERE application_name = $1',
      [schema],
    )
  const hold = async (count: number) => {
    const clients = await Promise.all(Array.from({ length: count }, () => pool.connect()))
    return () => {
      for (const client of clients) client.release()
    }
  }
  /** Holds what others want to read and write; answers what lets go. */
  const locking = async (table: string) => {
    const client = new pg.Client(server.url)
    await client.connect()
    await client.query(`BEGIN; LOCK TABLE ${table}`)
    return () => client.end()
  }
  return { pool, schema, activity, hold, locking, removed: () => removed }
}

const openAll = async () => {
  const opened = openPool(4)
  const webhook = await openWebhook()
  const shop = await openShop({
    engine: postgres({ pool: opened.pool, schema: opened.schema }),
    deliverTo: { crm: { url: webhook.url } },
  })
  await shop.sms.ready
  return { ...opened, webhook, shop }
}

test('all of its connections are the host’s for a while', async () => {
  const { pool, hold, activity, removed, webhook, shop } = await openAll()
  const release = await hold(4)
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => post(`${shop.origin}/sms/pbx/${token}`, pbxForm())),
  )
  for (const answer of answers) {
    expect([answer.status, await answer.text()]).toEqual([503, 'engine-unreachable'])
    expect(answer.headers.get('retry-after')).not.toBeNull()
  }
  release()
  await until(async () => (await shop.text()) === 200)
  await until(() => webhook.asked.length === 1)
  expect((await shop.sms.counts()).events).toBe(1)
  await shop.sms.close()
  expect(removed()).toBe(0)
  expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([4, 4, 0])
  expect((await activity()).filter(({ state }) => state !== 'idle')).toEqual([])
})

test('a single connection that is left will do', async () => {
  const { hold, removed, webhook, shop } = await openAll()
  const release = await hold(3)
  afterwards(release)
  const statuses = await Promise.all(Array.from({ length: 30 }, () => shop.text()))
  expect(new Set(statuses)).toEqual(new Set([200]))
  await until(() => webhook.asked.length === 30)
  expect(removed()).toBe(0)
})

test('it is given back as it was', async () => {
  const { pool, schema, activity } = openPool(4)
  pool.on('error', () => {})
  const engine = postgres({ pool, schema })
  await engine.open({ clock: systemClock, logger: recorder() })
  await engine.accept([{ event: smsEvent(), endpoints: [webhookEndpoint()] }])
  expect(pool.listenerCount('error')).toBe(2)
  await engine.close()
  expect(pool.listenerCount('error')).toBe(1)
  const client = await pool.connect()
  // Checked out, pg itself listens to nothing.
  expect(client.listenerCount('error')).toBe(0)
  client.release()
  await until(async () => (await activity()).every(({ query }) => !query.startsWith('LISTEN')))
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

test.each([1, 2, 3])('%d connections are too few, which is said at once', (max) => {
  const { pool, schema } = openPool(max)
  expect(() => postgres({ pool, schema })).toThrow('a Pool of the pg package with `max: 4` or more')
})

test('cut off, it hears of what others store again', async () => {
  const { pool, schema, activity } = openPool(4)
  pool.on('error', () => {})
  const clock = manualClock()
  const engine = postgres({ pool, schema })
  await engine.open({ clock, logger: recorder() })
  afterwards(engine.close)
  let told = 0
  engine.onDue(() => {
    told += 1
  })
  const other = postgres({ url: server.url, schema })
  await other.open({ clock: manualClock(), logger: recorder() })
  afterwards(other.close)
  const listening = async () => (await activity()).filter(({ query }) => query.startsWith('LISTEN')).length

  const accept = async () => {
    await settled()
    const before = told
    await other.accept([{ event: smsEvent(), endpoints: [webhookEndpoint()] }])
    await until(() => told > before)
  }
  await accept()
  expect(await listening()).toBe(1)
  for (let n = 0; n < 3; n += 1) {
    await cut(await activity())
    await until(async () => (await activity()).length === 0)
    const before = told
    // Once it polls; from then on its clock stands still again.
    await clock.advance(1_000)
    await until(() => told > before)
    expect(await listening()).toBe(1)
    await accept()
  }
})

test('a connection is lost while a statement of it waits', async () => {
  const { schema, shop, webhook, activity, locking } = await openAll()
  const unlock = await locking(`${schema}.events`)
  const refused = shop.text()
  await until(async () => (await activity()).some(({ wait }) => wait === 'Lock'))
  await cut(await activity())
  expect(await refused).toBe(503)
  await unlock()
  await until(async () => (await shop.text()) === 200)
  await until(() => webhook.asked.length === 1)
})

test('a connection is lost on which nothing is asked, while the store is opened', async () => {
  const { pool, schema, activity, locking } = openPool(4)
  pool.on('error', () => {})
  const context = { clock: systemClock, logger: recorder() }
  const before = postgres({ pool, schema })
  await before.open(context)
  await before.close()
  const unlock = await locking(`${schema}_queue.version`)
  const engine = postgres({ pool, schema })
  const opening = expect(engine.open(context)).rejects.toMatchObject({ code: 'engine-unreachable' })
  await until(async () => (await activity()).some(({ wait }) => wait === 'Lock'))
  // First the one that keeps other processes from opening meanwhile, and says nothing itself.
  const isIdle = ({ state }: Activity) => state === 'idle'
  await cut((await activity()).filter(isIdle))
  await until(async () => !(await activity()).some(isIdle))
  await cut(await activity())
  await opening
  await unlock()
  // The first connections that it gets may be lost ones as well.
  await until(() =>
    engine.open(context).then(
      () => true,
      () => false,
    ),
  )
  expect((await engine.counts()).events).toBe(0)
  await engine.close()
})
