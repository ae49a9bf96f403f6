// A move from SQLite to PostgreSQL: nothing is lost, nothing comes twice, and what waits goes on.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type CopyOptions, copyToPostgres, copyWith } from '../lib/copy.ts'
import type { Engine } from '../lib/engine.ts'
import { postgres } from '../lib/engines/postgres.ts'
import { attempt, claim, claimMails, endpoint } from './engines/conformance/steps.ts'
import { everything, fill, freshFile, hourMs, withSqlite } from './support/copying.ts'
import { smsEvent } from './support/events.ts'
import { manualClock, settled } from './support/manual-clock.ts'
import { sharedServer } from './support/postgres.ts'
import { databaseClock, manualUrl } from './support/postgres-clock.ts'
import { recorder } from './support/recorder.ts'
import { until } from './support/until.ts'
import { breakingPool } from './support/watched-pool.ts'

const server = await sharedServer()
const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** An empty target whose time is turned by hand. */
const target = async () => {
  const schema = server.freshSchema()
  ends.push(schema.drop)
  const clock = manualClock()
  const database = await databaseClock(server.url, `${schema.name}_queue`, clock.now())
  ends.push(database.end)
  const url = manualUrl(server.url, schema.name)
  return {
    schema: schema.name,
    url,
    clock,
    copy: (file: string, size = { rows: 3, bytes: 2 ** 20 }, options: Partial<CopyOptions> = {}) =>
      copyWith(clock, size, { file, url, schema: schema.name, logger: recorder(), ...options }),
    open: async (): Promise<Engine> => {
      const engine = postgres({ url, schema: schema.name })
      ends.push(() => engine.close())
      await engine.open({ clock, logger: recorder() })
      return engine
    },
    advance: async (ms: number) => {
      await database.set(clock.now() + ms)
      await clock.advance(ms)
      await settled()
      await until(() => database.isQuiet(schema.name))
    },
  }
}

const idsOf = (claims: { event: { id: string } }[]) => claims.map(({ event }) => event.id).sort()

test('all that can be told is the same afterwards', async () => {
  const { clock, copy, open } = await target()
  const file = freshFile()
  const events = Object.values(await fill(file, clock))
  const copied = await copy(file)

  const told = await everything(await open(), events)
  const before = await withSqlite(file, clock, (engine) => everything(engine, events))
  expect(told).toEqual(before)
  expect(told.counts).toEqual({
    events: 14,
    deliveries: { pending: 7, delivered: 1, mailing: 4, emailed: 1, failed: 0, cancelled: 1 },
    mails: { pending: 3, sent: 1, failed: 0 },
    quarantined: 2,
  })
  expect(copied).toEqual({
    events: { copied: 14, known: 0 },
    deliveries: { copied: 14, known: 0 },
    mails: { copied: 4, known: 0 },
    requests: { copied: 2, known: 0 },
    repeats: { copied: 1, known: 0 },
  })
})

test('repeats of what was copied are repeats, also of what was erased, at an engine that was open before too', async () => {
  const { clock, copy, open, advance } = await target()
  const early = await open()
  const [one, other] = [freshFile(), freshFile()]
  const { waiting, erased } = await fill(one, clock)
  const more = await fill(other, clock)
  await copy(one)
  await copy(other)
  await advance(1000)

  const again = [waiting, erased, more.waiting, more.erased].map((event) => ({
    event: { ...event, id: smsEvent().id },
    endpoints: [endpoint()],
  }))
  const late = await open()
  for (const engine of [early, late])
    expect(await engine.accept(again)).toEqual(['repeat', 'repeat', 'repeat', 'repeat'])
  expect(await late.accept([{ event: smsEvent(), endpoints: [] }])).toEqual(['stored'])
})

test('what waits goes on, each at its time', async () => {
  const { clock, copy, open, advance } = await target()
  const file = freshFile()
  const all = await fill(file, clock)
  await copy(file)

  const engine = await open()
  const first = await claim(engine)
  expect(idsOf(first)).toEqual(
    [all.waiting, all.waiting, all.leased, all['owed to a handler'], all['with a file']]
      .map(({ id }) => id)
      .sort(),
  )
  expect(first.find(({ event }) => event.id === all.leased.id)?.delivery.interruptions).toBe(1)
  for (const { lease } of first)
    expect(await engine.settle(lease, attempt(), { to: 'delivered' })).toBe('settled')
  const mails = await claimMails(engine)
  expect(mails.map(({ mail, stories }) => [mail.messageId, stories.length])).toEqual([
    [expect.any(String), 2],
    ['<waiting@example.com>', 1],
  ])
  expect(mails[0]!.stories.map(({ event }) => event.id)).toEqual([all.inDigest.id, all.inDigestToo.id])
  expect(mails[0]!.stories[0]!.attempts).toHaveLength(1)
  for (const { lease } of mails)
    await engine.settleMail(lease, { type: 'sent', response: '250', rejected: [] }, { to: 'sent' })

  await engine.close()
  await advance(hourMs)
  const later = await open()
  const retries = await claim(later)
  expect(idsOf(retries)).toEqual([all.parked.id, all.replayed.id].sort())
  expect(retries.map(({ delivery }) => [delivery.round, delivery.tries])).toEqual(
    expect.arrayContaining([
      [1, 1],
      [2, 1],
    ]),
  )
  expect((await claimMails(later)).map(({ mail }) => mail.messageId)).toEqual(['<parked@example.com>'])

  const { deliveries } = (await later.find(all.delivered.id))!
  expect(await later.replay([deliveries[0]!.delivery.id])).toBe(1)
  expect(idsOf(await claim(later))).toEqual([all.delivered.id])
})

test('nothing of a handler is taken by those who have not got it', async () => {
  const { clock, copy, open } = await target()
  const file = freshFile()
  const all = await fill(file, clock)
  await copy(file)
  const engine = await open()
  const wish = { limit: 100, leaseMs: 1000, room: { default: 100, of: {} } }
  expect(idsOf(await engine.claim({ ...wish, handlers: [] }))).not.toContain(all['owed to a handler'].id)
  expect(idsOf(await engine.claim({ ...wish, handlers: ['shop'] }))).toEqual([all['owed to a handler'].id])
})

test('a second copy changes nothing, whatever became of it meanwhile, but takes along what is new', async () => {
  const { clock, copy, open } = await target()
  const file = freshFile()
  const all = await fill(file, clock)
  const events = Object.values(all)
  await copy(file)
  const engine = await open()
  for (const { lease } of await claim(engine)) await engine.settle(lease, attempt(), { to: 'delivered' })
  for (const { lease } of await claimMails(engine))
    await engine.settleMail(lease, { type: 'sent', response: '250', rejected: [] }, { to: 'apart' })
  const emailed = (await engine.find(all.emailed.id))!.deliveries[0]!.delivery.id
  expect(await engine.replay([emailed])).toBe(1)
  const before = await everything(engine, events)

  expect(await copy(file)).toEqual({
    events: { copied: 0, known: 14 },
    deliveries: { copied: 0, known: 14 },
    mails: { copied: 0, known: 4 },
    requests: { copied: 0, known: 2 },
    repeats: { copied: 0, known: 1 },
  })
  expect(await everything(engine, events)).toEqual(before)

  const event = smsEvent()
  await withSqlite(file, clock, (source) => source.accept([{ event, endpoints: [endpoint()] }]))
  expect((await copy(file)).deliveries).toEqual({ copied: 1, known: 14 })
  expect(idsOf(await claim(engine))).toContain(event.id)
})

test('a message that the target got by itself is left to it', async () => {
  const { clock, copy, open } = await target()
  const file = freshFile()
  const { waiting } = await fill(file, clock)
  const engine = await open()
  const own = { ...waiting, id: smsEvent().id }
  await engine.accept([{ event: own, endpoints: [endpoint('new')] }])
  const copied = await copy(file)
  expect([copied.events.known, copied.deliveries.known]).toEqual([1, 2])
  expect(await engine.find(waiting.id)).toBeNull()
  expect((await engine.find(own.id))!.deliveries.map(({ delivery }) => delivery.endpoint.id)).toEqual(['new'])
})

test('interrupted at whatever moment, it is completed by another one, and nothing is there twice', async () => {
  const { url, clock, copy, open } = await target()
  const file = freshFile()
  const events = Object.values(await fill(file, clock))
  let nth = 1
  for (let isComplete = false; !isComplete; nth += 1) {
    const pool = breakingPool(url, nth, nth % 2 === 0)
    ends.push(() => pool.end())
    isComplete = await copy(file, undefined, { pool, url: undefined }).then(
      () => true,
      (error) => {
        expect(error.code).toBe('engine-unreachable')
        return false
      },
    )
  }
  expect(nth).toBeGreaterThan(10)
  await copy(file)
  const told = await everything(await open(), events)
  expect(told).toEqual(await withSqlite(file, clock, (engine) => everything(engine, events)))
})

describe('refused, and nothing is changed', () => {
  const refusal = async (file: string, options: Partial<CopyOptions> = {}) =>
    copyToPostgres({ file, url: server.url, schema: 'never_made', logger: recorder(), ...options }).then(
      () => null,
      ({ code, message }) => ({ code, message }),
    )

  test('a file that does not exist', async () => {
    const file = freshFile()
    expect(await refusal(file)).toEqual({
      code: 'engine-failed',
      message: expect.stringContaining('does not exist'),
    })
    expect(readdirSync(dirname(file))).toEqual([])
  })

  test('a file that another engine delivers from', async () => {
    const file = freshFile()
    const { clock, copy } = await target()
    await withSqlite(file, clock, async (engine) => {
      await engine.accept([{ event: smsEvent(), endpoints: [endpoint()] }])
      await claim(engine)
      expect(await refusal(file)).toEqual({
        code: 'engine-busy',
        message: expect.stringContaining('Another process delivers'),
      })
    })
    expect((await copy(file)).events.copied).toBe(1)
  })

  test('a newer file, one of another application, one that is damaged, and what is no database', async () => {
    const { clock } = await target()
    const changed = async (change: (file: string) => void) => {
      const file = freshFile()
      await fill(file, clock)
      change(file)
      return refusal(file)
    }
    const stated = (statement: string) => (file: string) => {
      const db = new DatabaseSync(file)
      db.exec(statement)
      db.close()
    }
    expect(await changed(stated('PRAGMA user_version = 99'))).toMatchObject({ code: 'engine-newer' })
    expect(await changed(stated('PRAGMA application_id = 7'))).toMatchObject({ code: 'engine-foreign' })
    const overwrite = (file: string) => {
      const bytes = readFileSync(file)
      writeFileSync(file, bytes.fill(1, 5 * 4096, 8 * 4096))
    }
    expect(await changed(overwrite)).toMatchObject({ code: 'engine-damaged' })
    const file = freshFile()
    writeFileSync(file, 'a letter to nobody'.repeat(1000))
    expect(await refusal(file)).toMatchObject({ code: 'engine-failed' })
    expect(existsSync(`${file}.owner`)).toBe(false)
  })

  test('options that make no sense', async () => {
    const file = freshFile()
    expect(await refusal(file, { url: undefined })).toMatchObject({ code: 'options-invalid' })
    expect(await refusal('')).toMatchObject({ code: 'options-invalid' })
  })
})
