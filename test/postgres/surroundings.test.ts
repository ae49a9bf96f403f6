// Databases, poolers and pools as hosts have them.
import pg from 'pg'
import { systemClock } from '../../lib/clock.ts'
import type { Engine } from '../../lib/engine.ts'
import { postgres } from '../../lib/engines/postgres.ts'
import { attempt, claim, claimMail, claimOne, endpoint, mailing, owe } from '../engines/conformance/steps.ts'
import { smsEvent } from '../support/events.ts'
import { query, sharedServer } from '../support/postgres.ts'
import { onFreshSchema } from '../support/postgres-engines.ts'
import { recorder } from '../support/recorder.ts'
import { sharingPool } from '../support/sharing-pool.ts'

const server = await sharedServer()

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

describe('a pooler that shares sessions', () => {
  test('is left without locks, so that the next process opens', async () => {
    const { name, query } = onFreshSchema(server)
    const pool = sharingPool(server.url)
    const open = async () => {
      const engine = postgres({ pool, schema: name })
      await engine.open({ clock: systemClock, logger: recorder() })
      return engine
    }
    const engines: Engine[] = []
    closing.push(async () => {
      await Promise.all(engines.map((engine) => engine.close()))
      await pool.end()
    })
    engines.push(await open())
    const locks = await query(
      `SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND granted
         AND objid::bigint = (hashtext('smshook:${name}:schema')::bigint & 4294967295)`,
    )
    expect(locks).toEqual([])
    engines.push(await open())
    await owe(engines[0]!)
    expect(
      await engines[1]!.settle((await claimOne(engines[1]!)).lease, attempt(), { to: 'delivered' }),
    ).toBe('settled')
  }, 30_000)
})

describe('a host that reads types its own way', () => {
  const { types } = pg
  const asText = (text: string) => text
  const others = {
    [types.builtins.INT8]: BigInt,
    [types.builtins.FLOAT8]: (text: string) => ({ text }),
    [types.builtins.NUMERIC]: Number,
    [types.builtins.JSON]: asText,
    [types.builtins.JSONB]: asText,
    [types.builtins.TIMESTAMPTZ]: asText,
    [types.builtins.UUID]: (text: string) => ({ text }),
    [types.builtins.BOOL]: asText,
    [types.builtins.INT4]: asText,
    [types.builtins.BYTEA]: asText,
  }
  const before = new Map<number, (text: string) => unknown>()
  beforeAll(() => {
    for (const [oid, parse] of Object.entries(others)) {
      before.set(Number(oid), types.getTypeParser(Number(oid)))
      types.setTypeParser(Number(oid), parse)
    }
  })
  afterAll(() => {
    for (const [oid, parse] of before) types.setTypeParser(oid, parse)
  })

  test('changes nothing', async () => {
    const engine = await onFreshSchema(server).engine()
    const event = await owe(engine, 'crm', 'erp')
    const [first, second] = await claim(engine)
    expect(first!.delivery).toMatchObject({ tries: 0, interruptions: 0, createdAt: expect.any(Number) })
    expect(await engine.settle(first!.lease, attempt(), mailing)).toBe('settled')
    const { mail, stories } = await claimMail(engine)
    expect(mail).toMatchObject({ tries: 0, id: stories[0]!.delivery.mailId })
    expect(await engine.renew([second!.lease], 1000)).toEqual(['renewed'])
    await engine.release([second!.lease])
    expect((await claimOne(engine)).delivery.id).toBe(second!.delivery.id)
    expect((await engine.find(event.id))?.deliveries).toHaveLength(2)
    expect((await engine.list({}, { limit: 1 })).cursor).toEqual(expect.any(String))
    expect(await engine.counts()).toMatchObject({ events: 1, deliveries: { pending: 1, mailing: 1 } })
    const far = Date.now() + 1e9
    expect(await engine.prune({ eventsBefore: far, limit: 10 })).toMatchObject({ pruned: 0 })
    expect(await engine.erase([event.from!.raw])).toBe(1)
  })
})

describe('a database that cannot hold all characters', () => {
  test('is refused at once, in words', async () => {
    const name = `latin_${Date.now()}`
    await query(
      server.url,
      `CREATE DATABASE ${name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
    )
    const url = new URL(server.url)
    url.pathname = `/${name}`
    const engine = postgres({ url: url.href })
    try {
      await expect(engine.open({ clock: systemClock, logger: recorder() })).rejects.toThrow(/LATIN1.*UTF8/s)
    } finally {
      await engine.close()
      await query(server.url, `DROP DATABASE ${name}`)
    }
  })
})

describe('a server with settings of its own', () => {
  test('works as any other, and knows what came through others', async () => {
    const { engine } = onFreshSchema(server)
    const url = new URL(server.url)
    const settings = {
      bytea_output: 'escape',
      DateStyle: 'German',
      IntervalStyle: 'sql_standard',
      TimeZone: 'Asia/Kathmandu',
      standard_conforming_strings: 'off',
      default_transaction_isolation: 'serializable',
      search_path: 'nowhere',
    }
    const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
    url.searchParams.set('options', options.join(' '))
    const [plain, other] = [await engine(), await engine({ url: url.href })]
    const event = await owe(plain)
    expect(await other.accept([{ event, endpoints: [] }])).toEqual(['repeat'])
    const { lease } = await claimOne(other)
    const dueAt = Date.now() - 1
    expect(await other.settle(lease, attempt(), { to: 'retry', dueAt, hold: false })).toBe('settled')
    expect((await claimOne(plain)).delivery).toMatchObject({ tries: 1, interruptions: 0, dueAt })
  })
})

describe('a server whose transactions are serializable', () => {
  test('lets processes work beside each other all the same', async () => {
    const { engine } = onFreshSchema(server)
    const url = new URL(server.url)
    url.searchParams.set('options', '-c default_transaction_isolation=serializable')
    const engines = await Promise.all([1, 2, 3].map(() => engine({ url: url.href })))
    for (let left = 60; left > 0; left -= 1) await owe(engines[0]!)
    const settled: string[] = []
    const work = async (one: Engine) => {
      for (let rounds = 0; rounds < 10; rounds += 1) {
        const claims = await claim(one, { limit: 3 })
        settled.push(...(await Promise.all(claims.map(({ lease }) => one.settle(lease, null, mailing)))))
        await owe(one)
      }
    }
    await Promise.all(engines.map(work))
    for (let left = 10; left > 0 && settled.length < 90; left -= 1)
      for (const { lease } of await claim(engines[0]!))
        settled.push(await engines[0]!.settle(lease, null, mailing))
    expect(settled).toEqual(Array.from({ length: 90 }, () => 'settled'))
  })
})

describe('what is far out', () => {
  test('an endpoint with half a character in its name, and a try in the next century', async () => {
    const engine = await onFreshSchema(server).engine()
    const event = smsEvent()
    await engine.accept([{ event, endpoints: [endpoint('half \ud83d'), endpoint('nul \0')] }])
    const [first, second] = await claim(engine)
    const dueAt = Date.now() + 100 * 365 * 24 * 3600_000
    expect(await engine.settle(first!.lease, attempt(), { to: 'retry', dueAt, hold: false })).toBe('settled')
    expect(await engine.settle(second!.lease, attempt(), { to: 'delivered' })).toBe('settled')
    expect(await claim(engine)).toEqual([])
  })
})
