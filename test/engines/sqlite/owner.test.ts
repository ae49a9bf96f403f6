// Taking over after the clock was set back while nobody delivered: what waits comes along, also when taking over
// does not succeed at once.
import { mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createFile } from '../../../lib/engines/sqlite/files.ts'
import { createOwner } from '../../../lib/engines/sqlite/owner.ts'
import { openDatabase } from '../../../lib/engines/sqlite/schema.ts'

const hourMs = 3_600_000
const now = Date.UTC(2026, 0, 1)

let folder: string
let path: string
let lockPath: string
let db: DatabaseSync

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'smshook-'))
  path = join(folder, 'sms.db')
  lockPath = `${path}.owner`
  db = openDatabase(path)
  createFile(lockPath)
  db.exec(`INSERT INTO events (id, gateway, identity, stored_at, event) VALUES ('1', 'a', 'b', 0, '{}')`)
})
afterEach(() => {
  db.close()
  rmSync(folder, { recursive: true, force: true })
})

const owe = (endpoint: string, tries: number, dueAt: number) =>
  db
    .prepare(`INSERT INTO deliveries (event, endpoint_id, endpoint, tries, created_at, due_at, ready_at)
      VALUES (1, ?1, '{}', ?2, 0, ?3, ?3)`)
    .run(endpoint, tries, dueAt)
const waits = () =>
  db
    .prepare('SELECT due_at AS dueAt, ready_at AS readyAt FROM deliveries ORDER BY seq')
    .all()
    .map(({ dueAt, readyAt }) => [(dueAt as number) - now, (readyAt as number) - now])

const deliverOnce = (at: number) => {
  const owner = createOwner(db, lockPath)
  owner.contend(hourMs, at)
  expect(owner.isOwner).toBe(true)
  owner.close()
}

test('a lock that keeps one from taking over does not make it forget', () => {
  deliverOnce(now)
  utimesSync(lockPath, (now + hourMs) / 1000, (now + hourMs) / 1000)
  owe('crm', 1, now + hourMs + 500)
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  db.exec('PRAGMA busy_timeout = 0')
  const owner = createOwner(db, lockPath)
  owner.contend(hourMs, now)
  expect(owner.isOwner).toBe(false)
  other.exec('ROLLBACK')
  other.close()
  owner.contend(hourMs, now)
  expect([owner.isOwner, waits()]).toEqual([true, [[500, 500]]])
  owner.close()
  deliverOnce(now)
  expect(waits()).toEqual([[500, 500]])
})

test('what was accepted by a clock that was ahead is due, and a planned retry stays planned', () => {
  deliverOnce(now)
  owe('crm', 0, now + hourMs)
  owe('erp', 1, now + hourMs)
  owe('shop', 0, now - 500)
  deliverOnce(now)
  expect(waits()).toEqual([
    [0, 0],
    [hourMs, hourMs],
    [-500, -500],
  ])
})
