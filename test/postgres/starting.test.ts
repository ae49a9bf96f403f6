// Many processes that start at once on a database that is empty, or that an older or a newer version wrote; and
// those that go on working meanwhile.
import pg from 'pg'
import { systemClock } from '../../lib/clock.ts'
import { openPool, type Pool } from '../../lib/engines/postgres/pool.ts'
import { migrate } from '../../lib/engines/postgres/schema.ts'
import { startOpening } from '../support/opening-process.ts'
import { sharedServer } from '../support/postgres.ts'
import { onFreshSchema } from '../support/postgres-engines.ts'
import { until } from '../support/until.ts'

const server = await sharedServer()
const clock = systemClock

let pool: Pool
beforeAll(async () => {
  pool = await openPool({ url: server.url }, clock, () => {})
})
afterAll(() => pool.close())

/** The steps of a made-up history; each run of one leaves a line. */
const first = (s: string) => `CREATE TABLE ${s}.events (n int); CREATE TABLE ${s}.runs (step int);
  INSERT INTO ${s}.runs VALUES (1)`
const second = (s: string) => `ALTER TABLE ${s}.events ADD COLUMN m int; INSERT INTO ${s}.runs VALUES (2)`

describe('ten processes', () => {
  test('that open an empty database at once all open it, and nobody complains', async () => {
    const { name, query } = onFreshSchema(server)
    const processes = await Promise.all(Array.from({ length: 10 }, () => startOpening(server.url, name)))
    const answers = await Promise.all(processes.map(({ open }) => open())).finally(() =>
      Promise.all(processes.map(({ end }) => end())),
    )
    expect(answers).toEqual(Array.from({ length: 10 }, () => ({ logged: [], events: 0 })))
    expect(await query(`SELECT version FROM ${name}.version`)).toEqual([{ version: 1 }])
    expect(await query(`SELECT count(*)::int AS n FROM ${name}_queue.version`)).toEqual([{ n: 1 }])
    expect(await query(`SELECT count(*)::int AS n FROM ${name}.hash_key`)).toEqual([{ n: 1 }])
    expect(await query(`SELECT name FROM ${name}_queue.queue ORDER BY name`)).toEqual([
      { name: 'deliveries' },
      { name: 'mails' },
    ])
  }, 60_000)
})

describe('a schema', () => {
  test('is brought on from an older version once, by whoever of many comes first', async () => {
    const { name: schema, query } = onFreshSchema(server)
    const place = { pool, schema, clock }
    await migrate(place, [first(schema)])
    await query(`INSERT INTO ${schema}.events VALUES (7)`)
    const steps = [first(schema), second(schema)]
    // Connections that are open already, so that all begin at once.
    await Promise.all(Array.from({ length: 8 }, () => pool.query('SELECT pg_sleep(0.1)')))
    await Promise.all(Array.from({ length: 10 }, () => migrate(place, steps)))
    expect(await query(`SELECT step FROM ${schema}.runs ORDER BY 1`)).toEqual([{ step: 1 }, { step: 2 }])
    expect(await query(`SELECT n, m FROM ${schema}.events`)).toEqual([{ n: 7, m: null }])
    expect(await query(`SELECT version FROM ${schema}.version`)).toEqual([{ version: 2 }])
  })

  test('stays at the last step that went through', async () => {
    const { name: schema, query } = onFreshSchema(server)
    const steps = [first(schema), `INSERT INTO ${schema}.runs VALUES (2); SELECT 1 / 0`]
    await expect(migrate({ pool, schema, clock }, steps)).rejects.toMatchObject({ code: '22012' })
    expect(await query(`SELECT step FROM ${schema}.runs`)).toEqual([{ step: 1 }])
    expect(await query(`SELECT version FROM ${schema}.version`)).toEqual([{ version: 1 }])
    await migrate({ pool, schema, clock }, [first(schema), second(schema)])
    expect(await query(`SELECT version FROM ${schema}.version`)).toEqual([{ version: 2 }])
  })

  test('of a newer version is refused, and stays as it is', async () => {
    const schema = onFreshSchema(server)
    await (await schema.engine()).close()
    await schema.query(`UPDATE ${schema.name}.version SET version = 9`)
    await expect(schema.engine()).rejects.toMatchObject({
      code: 'engine-newer',
      message: expect.stringContaining(`The schema ${schema.name} of PostgreSQL at 127.0.0.1`),
    })
    expect(await schema.query(`SELECT version FROM ${schema.name}.version`)).toEqual([{ version: 9 }])
  })

  test('waits for who has a table in work, and those who come later do not wait for it', async () => {
    const { name: schema, query } = onFreshSchema(server)
    await migrate({ pool, schema, clock }, [first(schema)])
    const host = new pg.Client(server.url)
    await host.connect()
    await host.query(`BEGIN; SELECT * FROM ${schema}.events`)
    const migrating = migrate({ pool, schema, clock }, [first(schema), second(schema)])
    const isWaiting = async () => {
      const [row] = await query<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND relation = '${schema}.events'::regclass`,
      )
      return row!.n > 0
    }
    await until(isWaiting)
    // It would stand behind the step for as long as that waits, which is bounded.
    await query(`INSERT INTO ${schema}.events VALUES (1)`)
    await until(isWaiting)
    await query(`INSERT INTO ${schema}.events VALUES (2)`)
    await host.query('COMMIT')
    await host.end()
    await migrating
    expect(await query(`SELECT n, m FROM ${schema}.events ORDER BY n`)).toEqual([
      { n: 1, m: null },
      { n: 2, m: null },
    ])
  })
})
