// One stored event that is not JSON any more, as a bad sector leaves it: it stops nothing but itself, and what is
// said of it quotes nothing of its text.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Engine } from '../../../lib/engine.ts'
import { failureOf } from '../../../lib/engines/sqlite/errors.ts'
import { migrate, migrations } from '../../../lib/engines/sqlite/schema.ts'
import { sqlite } from '../../../lib/engines/sqlite.ts'
import type { SmsEvent } from '../../../lib/event.ts'
import { smsEvent } from '../../support/events.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { recorder } from '../../support/recorder.ts'
import { claim, claimMails, endpoint, owe, oweMail } from '../conformance/steps.ts'

const number = '+61411122233'
const broken = `my code is 4711 ${number}`

let folder: string
let path: string
let engine: Engine
let logger: ReturnType<typeof recorder>

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'smshook-'))
  path = join(folder, 'sms.db')
  logger = recorder()
  engine = sqlite(path)
})
afterEach(async () => {
  await engine.close()
  rmSync(folder, { recursive: true, force: true })
})

const open = () => engine.open({ clock: manualClock(), logger })

const damage = ({ id }: SmsEvent) => {
  const db = new DatabaseSync(path, { timeout: 5000 })
  db.prepare('UPDATE events SET event = ? WHERE id = ?').run(broken, id)
  db.close()
}

const quotesNothing = (said: unknown) => expect(JSON.stringify(said)).not.toMatch(/my code|4711/)

test('the message of a parser, which quotes what it read, does not travel', () => {
  try {
    JSON.parse(broken)
  } catch (error) {
    expect((error as Error).message).toContain('my code')
    quotesNothing(failureOf(error))
  }
})

test('a claim hands out the others, and the log says so once', async () => {
  await open()
  const [bad, good] = [await owe(engine), await owe(engine)]
  damage(bad)
  expect((await claim(engine)).map(({ event }) => event.id)).toEqual([good.id])
  damage(await owe(engine))
  expect(await claim(engine)).toEqual([])
  expect(logger.lines).toMatchObject([{ level: 'error', details: { code: 'engine-failed' } }])
  quotesNothing(logger.lines)
  const error = await engine.find(bad.id).catch((error: Error) => error)
  expect(error).toMatchObject({ name: 'EngineError', code: 'engine-failed' })
  quotesNothing(String((error as Error).stack))
})

test('so does a claim of mails', async () => {
  await open()
  const [bad, good] = [await oweMail(engine), await oweMail(engine)]
  damage(bad)
  const mails = await claimMails(engine)
  expect(mails.map(({ stories }) => stories.map(({ event }) => event.id))).toEqual([[good.id]])
})

test('erasing decides by its text, and pruning passes it over', async () => {
  await open()
  const [bad, good] = [smsEvent(), smsEvent()]
  await engine.accept([bad, good].map((event) => ({ event, endpoints: [] })))
  damage(bad)
  expect(await engine.prune({ textBefore: Number.MAX_SAFE_INTEGER, limit: 10 })).toMatchObject({ pruned: 1 })
  expect((await engine.find(good.id))!.event.text).toBeNull()
  expect(await engine.erase([number])).toBe(1)
  expect((await engine.counts()).events).toBe(1)
})

test('a file of before there was pruning is brought up to date', async () => {
  const db = new DatabaseSync(path)
  migrate(db, path, migrations.slice(0, 1))
  const { id, gateway, identity } = smsEvent()
  db.prepare('INSERT INTO events VALUES (1, ?, ?, ?, 0, ?)').run(id, gateway, identity, broken)
  db.close()
  await open()
  await engine.accept([{ event: smsEvent(), endpoints: [endpoint()] }])
  expect((await engine.counts()).events).toBe(2)
})
