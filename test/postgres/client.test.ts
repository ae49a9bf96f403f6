// What `client` may be, where our schemas may come from, and what an app hears that cannot be opened.
import pg from 'pg'
import { OptionsError, postgres, smshook } from '../../lib/index.ts'
import { smsEvent } from '../support/events.ts'
import { query, sharedServer } from '../support/postgres.ts'
import { recorder } from '../support/recorder.ts'
import { afterwards } from '../support/shop.ts'

const server = await sharedServer()

const open = async (url = server.url) => {
  const schema = server.freshSchema()
  const sms = smshook({
    fallback: false,
    engine: postgres({ url, schema: schema.name }),
    logger: recorder(),
    start: false,
  })
  afterwards(schema.drop)
  afterwards(() => sms.close())
  return { sms, schema: schema.name }
}

const connected = async (url = server.url) => {
  const client = new pg.Client(url)
  await client.connect()
  afterwards(() => client.end())
  await client.query('BEGIN')
  return client
}

test.each([
  ['a misspelt name', { cleint: {} }, '`cleint` is not an option; did you mean `client`?'],
  ['nothing', { client: null }, '`client` is'],
  ['something else', { client: 'client' }, '`client` is'],
])('%s is refused, and nothing is stored', async (_name, options, words) => {
  const { sms } = await open()
  await sms.ready
  const accepting = sms.accept(smsEvent(), options as never)
  await expect(accepting).rejects.toBeInstanceOf(OptionsError)
  await expect(accepting).rejects.toThrow(words)
  expect((await sms.counts()).events).toBe(0)
})

test('a client of another database is refused, with tables of ours or without, and may go on', async () => {
  const { sms } = await open()
  const name = `other_${process.pid}_${Date.now()}`
  await query(server.url, `CREATE DATABASE ${name}`)
  afterwards(() => query(server.url, `DROP DATABASE ${name} WITH (FORCE)`))
  const url = new URL(server.url)
  url.pathname = name
  await sms.ready
  const client = await connected(url.href)
  const words = '`client` is connected to another database'
  await expect(sms.accept(smsEvent(), { client })).rejects.toThrow(words)
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

test('of a client that is lost, what happened first is told', async () => {
  const { sms } = await open()
  await sms.ready
  const query = async (text: string) => {
    if (text === 'SAVEPOINT smshook') return { rows: [] }
    throw Object.assign(new Error(text.startsWith('ROLLBACK') ? 'not queryable' : 'terminated'), {
      code: '57P01',
    })
  }
  await expect(sms.accept(smsEvent(), { client: { query } })).rejects.toThrow('terminated')
})

test('a value of a message is not quoted where it is wrong', async () => {
  const { sms } = await open()
  await sms.ready
  const event = { ...smsEvent(), from: '+61412345678' }
  await expect(sms.accept(event as never)).rejects.not.toThrow('61412345678')
  await expect(sms.accept(event as never)).rejects.toThrow('`event.from` is a text of 12 characters')
})

test('a role that may create no schemas gets along with those that were made for it', async () => {
  const { name, drop } = server.freshSchema()
  afterwards(drop)
  const role = `r_${name}`
  await query(
    server.url,
    `CREATE ROLE ${role} LOGIN PASSWORD 'none'; CREATE SCHEMA ${name} AUTHORIZATION ${role};
     CREATE SCHEMA ${name}_queue AUTHORIZATION ${role}`,
  )
  afterwards(() => query(server.url, `DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`))
  const url = new URL(server.url)
  url.username = role
  url.password = 'none'
  const engine = postgres({ url: url.href, schema: name })
  const sms = smshook({ fallback: false, engine, start: false, logger: recorder() })
  afterwards(() => sms.close())
  await sms.ready
  expect(await sms.accept(smsEvent())).toBe('stored')
})

test('where waiting cannot help, `ready` says so, and nobody need listen', async () => {
  const refused = new OptionsError('options-invalid', 'no such package')
  const engine = { ...postgres({ url: server.url }), open: () => Promise.reject(refused) }
  const logger = recorder()
  const sms = smshook({ fallback: false, engine, logger })
  await expect(sms.ready).rejects.toBe(refused)
  expect(logger.lines).toMatchObject([{ level: 'error', details: { reason: 'no such package' } }])
  await sms.close()
})

test.each(['pg_mine', 'public', '1st', 'Mine', 'a-b'])('no schema is called %s', (schema) => {
  expect(() => postgres({ url: server.url, schema })).toThrow('`schema` is')
})

test('a client is no pool, and a pool says where it leads', async () => {
  const client = new pg.Client(server.url)
  expect(() => postgres({ pool: client as never })).toThrow('a Pool of the pg package')
  const pool = new pg.Pool({ host: 'db.internal', database: 'shop', password: 'sesame' })
  expect(postgres({ pool }).location).toBe('PostgreSQL at db.internal/shop')
})
