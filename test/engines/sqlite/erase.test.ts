// What is left in the files of SQLite when things were pruned and erased, and files of before there was such a
// thing.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Engine } from '../../../lib/engine.ts'
import { migrate, migrations } from '../../../lib/engines/sqlite/schema.ts'
import { sqlite } from '../../../lib/engines/sqlite.ts'
import type { SmsEvent } from '../../../lib/event.ts'
import { smsEvent } from '../../support/events.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { recorder } from '../../support/recorder.ts'
import { attempt, claim, claimMails, endpoint, mailing } from '../conformance/steps.ts'

let folder: string
let path: string
const engines: Engine[] = []
const clock = manualClock()

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'smshook-'))
  path = join(folder, 'sms.db')
})

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()))
  rmSync(folder, { recursive: true, force: true })
})

const opened = async (logger = recorder()): Promise<Engine> => {
  const engine = sqlite(path)
  engines.push(engine)
  await engine.open({ clock, logger })
  return engine
}

const countOf = (needle: string): number =>
  ['', '-wal']
    .map((end) => readFileSync(path + end, 'latin1').split(needle).length - 1)
    .reduce((sum, count) => sum + count, 0)

const numberOf = (person: number): string => `+6141112223${person}`
const textOf = (person: number): string => `[words of ${person}]`
const people = [0, 1, 2, 3, 4, 5, 6, 7]

const sms = (person: number, n: number): SmsEvent => {
  const number = numberOf(person)
  const text = textOf(person).repeat(1 + ((n * 7) % (n % 10 === 0 ? 600 : 12)))
  return smsEvent({
    // As two gateways have it, which makes an index that grows in all places.
    identity: JSON.stringify([(n * 7919) % 1000, number, n]),
    from: { raw: number, kind: 'e164', e164: number },
    text,
    raw: { from: number, body: text },
  })
}

const keep = (engine: Engine, body: string) =>
  engine.quarantine(
    {
      gateway: 'pbx',
      method: 'POST',
      contentType: 'text/plain',
      body: Buffer.from(body),
      receivedAt: new Date(clock.now()).toISOString(),
    },
    'body-unreadable',
  )

/** Messages of everybody, at all stages, told again by what their endpoints and the mail server answer. */
const live = async (engine: Engine, from: number, events: number, who: readonly number[]) => {
  for (let n = from; n < from + events; n += 1) {
    const event = sms(who[n % who.length]!, n)
    await engine.accept([{ event, endpoints: [endpoint('crm'), endpoint('erp')] }])
  }
  const claims = await claim(engine, { limit: 1000, default: 1000 })
  for (const [n, { lease, event }] of claims.entries()) {
    const excerpt = `echo ${event.text?.slice(0, 900)}`
    const one = attempt(1, { outcome: { type: 'answer', status: 500, retryAfter: null, excerpt } })
    if (n % 5 === 0) await engine.release([lease])
    else if (n % 5 === 1) await engine.settle(lease, one, mailing)
    else if (n % 5 === 2) await engine.settle(lease, one, { to: 'failed', reason: 'spent' })
    else await engine.settle(lease, one, { to: 'delivered' })
  }
  for (const { lease, stories } of await claimMails(engine, 20)) {
    const response = `250 ${stories[0]!.event.text?.slice(0, 200)}`
    await engine.settleMail(lease, { type: 'sent', response, rejected: [] }, { to: 'sent' })
  }
}

test('whoever was erased is in no file, wherever rows were moved; others are', async () => {
  const engine = await opened()
  const gone: number[] = []
  for (let round = 0; round < 6; round += 1) {
    const who = people.filter((person) => !gone.includes(person))
    await live(engine, round * 100, 100, who)
    for (const person of who) await keep(engine, `from=${numberOf(person)}&text=${textOf(person)}`)
    if (round === 3) await engine.prune({ eventsBefore: clock.now() - 1, limit: 100 })
    await clock.advance(1)
    if (round === 0) continue
    gone.push(who[0]!)
    await engine.erase([numberOf(who[0]!)])
    for (const person of gone) {
      expect([round, countOf(numberOf(person).slice(1)), countOf(textOf(person))]).toEqual([round, 0, 0])
    }
  }
  for (const person of people.filter((one) => !gone.includes(one))) {
    expect(countOf(numberOf(person))).toBeGreaterThan(0)
    expect(countOf(textOf(person))).toBeGreaterThan(0)
  }
}, 60_000)

test('texts that were pruned are overwritten, in the log too', async () => {
  const engine = await opened()
  for (let n = 0; n < 50; n += 1) await engine.accept([{ event: sms(1, n), endpoints: [] }])
  expect(countOf(textOf(1))).toBeGreaterThan(0)
  await clock.advance(1)
  const wish = { textBefore: clock.now(), limit: 100 }
  const { pruned, cursor } = await engine.prune(wish)
  expect([pruned, await engine.prune({ ...wish, cursor: cursor! })]).toEqual([
    50,
    { pruned: 0, cursor: null },
  ])
  expect(countOf(textOf(1))).toBe(0)
  expect(countOf(numberOf(1))).toBeGreaterThan(0)
})

test('a log that another process reads is told about, and the next erasing empties it', async () => {
  const logger = recorder()
  const engine = await opened(logger)
  await engine.accept([{ event: sms(1, 1), endpoints: [] }])
  const reader = new DatabaseSync(path)
  reader.exec('BEGIN; SELECT * FROM events')
  reader.prepare('SELECT count(*) FROM events').get()
  expect(await engine.erase([numberOf(1)])).toBe(1)
  expect(logger.lines).toMatchObject([{ level: 'warn', message: expect.stringContaining('log') }])
  expect(JSON.stringify(logger.lines)).not.toContain(numberOf(1).slice(1))
  expect(countOf(textOf(1))).toBeGreaterThan(0)
  reader.exec('COMMIT')
  reader.close()
  expect(await engine.erase([numberOf(1)])).toBe(0)
  expect(countOf(textOf(1))).toBe(0)
  expect(logger.lines).toHaveLength(1)
})

test('a repeat is known in another process, and its hash tells nothing without the key', async () => {
  const engine = await opened()
  const event = sms(1, 1)
  await engine.accept([{ event, endpoints: [] }])
  await engine.erase([numberOf(1)])
  const next = await opened()
  expect(await next.accept([{ event, endpoints: [] }])).toEqual(['repeat'])
  await engine.close()
  const db = new DatabaseSync(path)
  const [hash] = db.prepare('SELECT hash FROM repeats').all() as { hash: Uint8Array }[]
  expect(hash!.hash).toHaveLength(32)
  expect((db.prepare('SELECT key FROM repeat_key').get() as { key: Uint8Array }).key).toHaveLength(32)
  db.close()
})

test('a file of the first version is brought up to date with all that is in it', async () => {
  const old = new DatabaseSync(path)
  migrate(old, path, migrations.slice(0, 1))
  const picture = { contentType: 'image/png', name: null, size: 3, data: 'AAAA', url: null }
  const events = [sms(1, 1), { ...sms(2, 2), media: [picture] }]
  const insert = old.prepare(
    'INSERT INTO events (id, gateway, identity, stored_at, event) VALUES (?, ?, ?, ?, ?)',
  )
  for (const event of events)
    insert.run(event.id, event.gateway, event.identity, clock.now(), JSON.stringify(event))
  old.close()

  const engine = await opened()
  for (const event of events) expect((await engine.find(event.id))?.event).toEqual(event)
  expect(await engine.accept([{ event: events[0]!, endpoints: [] }])).toEqual(['repeat'])
  await clock.advance(1)
  expect(await engine.prune({ mediaBefore: clock.now(), limit: 10 })).toMatchObject({ pruned: 1 })
  expect((await engine.find(events[1]!.id))?.event.media).toEqual([{ ...picture, data: null }])
  expect(await engine.erase([numberOf(1)])).toBe(1)
  expect(await engine.prune({ eventsBefore: clock.now(), limit: 10 })).toMatchObject({ pruned: 1 })
})

test.each([
  ['events_age', 'has_text = 1 AND (stored_at, seq) > (1, 1) AND stored_at < 9 ORDER BY stored_at, seq'],
  ['events_media', 'has_media = 1 AND (stored_at, seq) > (1, 1) AND stored_at < 9 ORDER BY stored_at, seq'],
])('pruning walks through %s and sorts nothing', async (index, condition) => {
  await opened()
  const db = new DatabaseSync(path)
  const plan = db
    .prepare(`EXPLAIN QUERY PLAN SELECT seq FROM events INDEXED BY ${index} WHERE ${condition}`)
    .all()
    .map(({ detail }) => String(detail))
  expect(plan).toEqual([expect.stringMatching(new RegExp(`^SEARCH events USING .*${index} `))])
  db.close()
})
