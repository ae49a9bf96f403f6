// The servers and the time that the tests of PostgreSQL stand on.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { ownServer, query, sharedServer } from './postgres.ts'
import { databaseClock, manualUrl } from './postgres-clock.ts'
import { until } from './until.ts'

const server = await sharedServer()

describe('the shared server', () => {
  test('gives schemas that nobody else uses, and drops them with their queues', async () => {
    const one = server.freshSchema()
    const two = server.freshSchema()
    expect(one.name).not.toBe(two.name)
    await query(
      server.url,
      `CREATE SCHEMA ${one.name}; CREATE SCHEMA ${one.name}_queue; CREATE SCHEMA ${two.name}`,
    )
    await one.drop()
    await two.drop()
    const like = [`${one.name}%`, `${two.name}%`]
    expect(await query(server.url, 'SELECT FROM pg_namespace WHERE nspname LIKE ANY ($1)', [like])).toEqual(
      [],
    )
    await one.drop()
  })
})

describe('the clock of the database', () => {
  test('what is due later is due when the hands say so', async () => {
    const schema = server.freshSchema()
    const at = Date.UTC(2026, 0, 1)
    const clock = await databaseClock(server.url, `${schema.name}_queue`, at)
    const connectionString = manualUrl(server.url, schema.name)
    const boss = new PgBoss({
      connectionString,
      schema: `${schema.name}_queue`,
      supervise: false,
      schedule: false,
    })
    await boss.start()
    await boss.createQueue('deliveries')
    await boss.send('deliveries', {}, { startAfter: 60 })
    await clock.set(at + 59_999)
    expect(await boss.fetch('deliveries')).toEqual([])
    await clock.set(at + 60_000)
    expect(await boss.fetch('deliveries')).toHaveLength(1)
    await boss.stop({ graceful: false })
    await clock.end()
    await schema.drop()
  })

  test('who works on a database is seen until it is done', async () => {
    const schema = server.freshSchema()
    const clock = await databaseClock(server.url, `${schema.name}_queue`, 0)
    const client = new pg.Client(manualUrl(server.url, schema.name))
    await client.connect()
    await client.query('BEGIN')
    expect(await clock.isQuiet(schema.name)).toBe(false)
    await client.query('COMMIT')
    expect(await clock.isQuiet(schema.name)).toBe(true)
    await client.end()
    await clock.end()
    await schema.drop()
  })
})

describe('a server of its own', () => {
  const folderOf = async (url: string) => {
    const [row] = await query<{ data_directory: string }>(url, 'SHOW data_directory')
    return row!.data_directory
  }
  const canBeAsked = (url: string) =>
    query(url, 'SELECT 1').then(
      () => true,
      () => false,
    )

  test('keeps what was committed when it is stopped, killed and started again', async () => {
    const own = await ownServer()
    const folder = await folderOf(own.url)
    try {
      await query(own.url, 'CREATE TABLE kept (n int)')
      for (const end of [own.stop, own.kill]) {
        await query(own.url, 'INSERT INTO kept VALUES (1)')
        await end()
        expect(await canBeAsked(own.url)).toBe(false)
        await own.start()
      }
      expect(await query(own.url, 'SELECT n FROM kept')).toHaveLength(2)
      expect(await query(own.url, 'SHOW fsync')).toEqual([{ fsync: 'on' }])
    } finally {
      await own.end()
    }
    expect(existsSync(folder)).toBe(false)
  })

  test('answers nobody while it is paused', async () => {
    const own = await ownServer()
    const client = new pg.Client(own.url)
    await client.connect()
    try {
      own.pause()
      let answered = false
      const asked = client.query('SELECT 1').then(() => {
        answered = true
      })
      // Takes longer, on a server that does answer.
      await query(server.url, 'SELECT 1')
      expect(answered).toBe(false)
      own.resume()
      await asked
    } finally {
      await client.end()
      await own.end()
    }
  })

  test('does not outlive the process that started it, and leaves nothing', async () => {
    const path = new URL('postgres.ts', import.meta.url)
    const program = `const { ownServer } = await import('${path}')
      console.log((await ownServer()).url)
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [url] = await once(child.stdout.setEncoding('utf8'), 'data')
    const folder = await folderOf(url.trim())
    child.kill('SIGKILL')
    await until(async () => !existsSync(folder))
    expect(await canBeAsked(url.trim())).toBe(false)
  })
})
