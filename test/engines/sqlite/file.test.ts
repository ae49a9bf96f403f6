// The database file: what a fresh one is, which ones are refused, how it is brought up to date.
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Engine } from '../../../lib/engine.ts'
import { applicationId, migrate, migrations, openDatabase } from '../../../lib/engines/sqlite/schema.ts'
import { sqlite } from '../../../lib/engines/sqlite.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { recorder } from '../../support/recorder.ts'
import { claim, claimMails, owe, oweMail } from '../conformance/steps.ts'

let folder: string
let path: string
const engines: Engine[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'smshook-'))
  path = join(folder, 'sms.db')
})

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()))
  rmSync(folder, { recursive: true, force: true })
})

const made = (at = path): Engine => {
  const engine = sqlite(at)
  engines.push(engine)
  return engine
}
const open = (engine: Engine) => engine.open({ clock: manualClock(), logger: recorder() })

const change = (sql: string) => {
  const db = new DatabaseSync(path)
  db.exec(sql)
  db.close()
}
const one = (db: DatabaseSync, sql: string) => Object.values(db.prepare(sql).get()!)[0]

describe('a fresh file', () => {
  test('can be read by its user alone, as can all that lies beside it', async () => {
    const engine = made()
    await open(engine)
    await owe(engine)
    await claim(engine)
    for (const end of ['', '-wal', '-shm', '.owner']) {
      expect([end, statSync(path + end).mode & 0o777]).toEqual([end, 0o600])
    }
  })

  test('is flushed to disk at every commit, and says whose it is', () => {
    const db = openDatabase(path)
    expect(one(db, 'PRAGMA journal_mode')).toBe('wal')
    expect(one(db, 'PRAGMA synchronous')).toBe(2)
    expect(one(db, 'PRAGMA foreign_keys')).toBe(1)
    expect(one(db, 'PRAGMA busy_timeout')).toBe(4500)
    expect(one(db, 'PRAGMA application_id')).toBe(applicationId)
    expect(one(db, 'PRAGMA user_version')).toBe(migrations.length)
    db.close()
  })

  test('may be named relatively, and is the same under another name', async () => {
    const [first, second] = [made(), made(join(folder, 'link.db'))]
    await open(first)
    symlinkSync(path, join(folder, 'link.db'))
    await open(second)
    await owe(second)
    expect(await claim(first)).toHaveLength(1)
    await oweMail(first)
    await owe(second)
    expect(await claim(second)).toEqual([])
    expect(await claimMails(second)).toEqual([])
    expect(await claimMails(first)).toHaveLength(1)
    expect(sqlite('sms.db').location).toBe(join(process.cwd(), 'sms.db'))
  })
})

describe('a file that cannot be used', () => {
  test.each([[''], [undefined], [7]])('the path %p is refused at once', (given) => {
    expect(() => sqlite(given as string)).toThrow(expect.objectContaining({ code: 'options-invalid' }))
  })

  test('a missing folder is named, and found once it is there', async () => {
    const engine = made(join(folder, 'deep', 'sms.db'))
    await expect(open(engine)).rejects.toMatchObject({
      name: 'EngineError',
      code: 'engine-failed',
      message: expect.stringContaining(`${join(folder, 'deep')} does not exist`),
    })
    mkdirSync(join(folder, 'deep'))
    await open(engine)
    expect((await engine.counts()).events).toBe(0)
  })

  test('what is not a database is named and left alone', async () => {
    const text = 'not a database at all, but long enough to look like something'.repeat(20)
    writeFileSync(path, text)
    await expect(open(made())).rejects.toMatchObject({
      code: 'engine-failed',
      message: expect.stringMatching(/sms\.db is not an SQLite database/),
      cause: expect.objectContaining({ errcode: 26 }),
    })
    expect(statSync(path).size).toBe(text.length)
  })

  test('a folder is no database', async () => {
    mkdirSync(path)
    await expect(open(made())).rejects.toMatchObject({ code: 'engine-failed' })
  })

  test.each(['CREATE TABLE theirs (a)', 'PRAGMA application_id = 7', 'PRAGMA user_version = 1'])(
    "another application's is left alone (%s)",
    async (sql) => {
      change(sql)
      await expect(open(made())).rejects.toMatchObject({
        name: 'EngineError',
        code: 'engine-foreign',
        message: expect.stringContaining(path),
      })
      const db = new DatabaseSync(path)
      expect(one(db, 'PRAGMA journal_mode')).toBe('delete')
      expect(one(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'events'")).toBe(0)
      db.close()
    },
  )

  test('a newer version is refused, naming both versions and the file', async () => {
    openDatabase(path).close()
    const newer = migrations.length + 1
    change(`PRAGMA user_version = ${newer}`)
    await expect(open(made())).rejects.toMatchObject({
      code: 'engine-newer',
      message: expect.stringMatching(
        new RegExp(`sms\\.db has version ${newer} and .* up to ${migrations.length}`),
      ),
    })
    change(`PRAGMA user_version = ${migrations.length}`)
    await open(made())
  })
})

describe('migrations', () => {
  const steps = ['CREATE TABLE one (a)', 'ALTER TABLE one ADD b; INSERT INTO one VALUES (1, 2)']
  const tables = (db: DatabaseSync) =>
    db
      .prepare('SELECT name FROM sqlite_schema')
      .all()
      .map((row) => row.name)

  test('run from whichever version the file has, each once', () => {
    const db = new DatabaseSync(path)
    migrate(db, path, steps.slice(0, 1))
    expect(one(db, 'PRAGMA user_version')).toBe(1)
    migrate(db, path, steps)
    migrate(db, path, steps)
    expect(
      db
        .prepare('SELECT * FROM one')
        .all()
        .map((row) => ({ ...row })),
    ).toEqual([{ a: 1, b: 2 }])
    expect(one(db, 'PRAGMA user_version')).toBe(2)
    db.close()
  })

  test('that fail leave the file as it was', () => {
    const db = new DatabaseSync(path)
    migrate(db, path, steps.slice(0, 1))
    expect(() => migrate(db, path, [...steps, 'CREATE TABLE two (a)', 'no sql'])).toThrow(/syntax/)
    expect(one(db, 'PRAGMA user_version')).toBe(1)
    expect(tables(db)).toEqual(['one'])
    db.close()
  })

  test('of an empty file that exists already make it ours', async () => {
    writeFileSync(path, '')
    const engine = made()
    await open(engine)
    await owe(engine)
    expect((await engine.counts()).events).toBe(1)
  })
})
