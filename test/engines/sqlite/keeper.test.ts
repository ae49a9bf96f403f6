// What stands between the store and the world, on a database that may grow only as far as it is told: a disk as
// full as that of test/faults/disk-full.test.ts, for machines where none can be mounted.
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { keptStore } from '../../../lib/engines/sqlite/keeper.ts'
import { createReserve, type Reserve, reserveBytes } from '../../../lib/engines/sqlite/reserve.ts'
import { openDatabase } from '../../../lib/engines/sqlite/schema.ts'
import { type Call, type Name, type Store, storeOn } from '../../../lib/engines/sqlite/store.ts'
import { smsEvent, webhookEndpoint } from '../../support/events.ts'
import { attempt } from '../conformance/steps.ts'

let folder: string
let path: string
let db: DatabaseSync
let store: Store

const pragma = (name: string) => Number(Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0])

/** Its pieces are pages that the database may grow by. */
const pages = (mostPieces: number): Reserve & { left: number } => ({
  left: mostPieces,
  isWhole() {
    return this.left === mostPieces
  },
  give() {
    if (this.left === 0) return false
    this.left -= 1
    db.exec(`PRAGMA max_page_count = ${pragma('max_page_count') + 4}`)
    return true
  },
  isDiskFull: () => true,
})

const open = (reserve: Reserve) => {
  db = openDatabase(path)
  store = keptStore(storeOn(db, `${path}.owner`), db, path, reserve, 0)
}

const fill = () => db.exec(`PRAGMA max_page_count = ${pragma('page_count')}`)

type Claimed = [{ value: [{ token: string; delivery: { id: number } }] }]

let id = 0
const call = (name: Name, input: unknown): Call => {
  id += 1
  return { id, name, now: 1000, input }
}
const run = (...calls: Call[]) => store.run(calls).answers
const acceptance = (text = 'x'.repeat(3000)) => {
  const event = smsEvent({ text })
  const { id, gateway, identity } = event
  const endpoint = webhookEndpoint()
  const endpoints = [{ id: endpoint.id, json: JSON.stringify(endpoint) }]
  const json = JSON.stringify(event)
  return { id, gateway, identity, event: json, hasMedia: false, endpoints, join: false }
}
const accept = () => call('accept', [acceptance()])
const claim = () => call('claim', { limit: 1, leaseMs: 60_000, room: { default: 1, of: {} } })
const counts = () => run(call('counts', undefined))[0]

const isFull = { failure: { code: 'engine-full' } }

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'smshook-'))
  path = join(folder, 'sms.db')
})
afterEach(() => {
  store.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('on a full disk', () => {
  test('new messages are refused and the rest of their transaction is recorded from the reserve', () => {
    const reserve = pages(40)
    open(reserve)
    for (let n = 0; n < 3; n += 1) expect(run(accept())).toMatchObject([{ value: ['stored'] }])
    const [claimed] = run(claim()) as unknown as Claimed
    const { token, delivery } = claimed.value[0]
    fill()
    const outcome = { type: 'answer', status: 500, retryAfter: null, excerpt: 'y'.repeat(20_000) } as const
    const settle = call('settle', {
      lease: { id: String(delivery.id), token },
      attempt: attempt(1, { outcome }),
      next: { to: 'retry', dueAt: 5000, hold: false },
    })
    expect(run(accept(), settle, accept())).toMatchObject([
      { id: settle.id, value: 'settled' },
      isFull,
      isFull,
    ])
    expect(reserve.left).toBeLessThan(40)
    expect(run(accept())).toMatchObject([isFull])
    expect(counts()).toMatchObject({ value: { events: 3 } })
    reserve.left = 40
    db.exec('PRAGMA max_page_count = 100000')
    expect(run(accept())).toMatchObject([{ value: ['stored'] }])
  })

  test('with nothing left all is refused, and nothing is half done', () => {
    open(pages(0))
    run(accept())
    fill()
    expect(
      run(
        call(
          'accept',
          Array.from({ length: 9 }, () => acceptance()),
        ),
      ),
    ).toMatchObject([{ failure: { errcode: 13 } }])
    expect(counts()).toMatchObject({ value: { events: 1 } })
    db.exec('PRAGMA max_page_count = 100000')
    expect(run(accept())).toMatchObject([{ value: ['stored'] }])
  })

  test('the log is written to the file each time, so that its own space is enough', () => {
    const reserve = pages(3)
    open(reserve)
    const usual = pragma('wal_autocheckpoint')
    reserve.left = 2
    run(accept())
    expect(pragma('wal_autocheckpoint')).toBe(0)
    reserve.left = 3
    run(accept())
    expect(pragma('wal_autocheckpoint')).toBe(usual)
  })
})

describe('a file that loses its name during a transaction', () => {
  test('holds nothing that is answered as stored, and the store is lost', () => {
    db = openDatabase(path)
    const inner = storeOn(db, `${path}.owner`)
    store = inner
    const moving: Store = {
      ...inner,
      run(calls) {
        const reply = inner.run(calls)
        renameSync(path, `${path}.away`)
        return reply
      },
    }
    const { answers, loss } = keptStore(moving, db, path, pages(1)).run([accept()])
    expect(answers).toMatchObject([{ failure: { code: 'engine-damaged' } }])
    expect(loss).toMatchObject({ code: 'engine-damaged' })
  })
})

describe('a locked database', () => {
  test('is waited for once and then only briefly, until it is free', () => {
    open(pages(1))
    db.exec('PRAGMA busy_timeout = 1')
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    expect(store.run([accept()])).toEqual({
      answers: [{ id, failure: expect.objectContaining({ errcode: 5 }) }],
      isDue: false,
    })
    expect(pragma('busy_timeout')).toBe(250)
    other.exec('ROLLBACK')
    other.close()
    expect(run(accept())).toMatchObject([{ value: ['stored'] }])
    expect(pragma('busy_timeout')).toBe(4500)
  })
})

describe('the reserve', () => {
  test('is made whole, given in pieces, and not filled again at once', () => {
    open(pages(1))
    const reserve = createReserve(`${path}.reserve`)
    expect(reserve.isDiskFull()).toBe(false)
    expect(reserve.isWhole()).toBe(true)
    let given = 0
    while (reserve.give()) given += 1
    expect(given).toBe(reserveBytes / 2 ** 20)
    expect(reserve.isWhole()).toBe(false)
    expect(createReserve(`${path}.reserve`).isWhole()).toBe(true)
  })

  test('that cannot be made stops nothing', () => {
    open(pages(1))
    const reserve = createReserve(join(folder, 'nowhere', 'reserve'))
    expect([reserve.isWhole(), reserve.isWhole()]).toEqual([true, true])
    expect([reserve.give(), reserve.isDiskFull()]).toEqual([false, false])
  })
})

describe('what runs alone on a full disk', () => {
  test('takes nothing of the reserve, and the file is not rewritten', () => {
    const reserve = pages(3)
    db = openDatabase(path)
    const failure = { code: 'ERR_SQLITE_ERROR', errcode: 13, message: 'database or disk is full' }
    const full: Store = {
      run: (calls) => ({ answers: calls.map(({ id }) => ({ id, failure })), isDue: false }),
      close: () => db.close(),
    }
    store = keptStore(full, db, path, reserve, 0)
    expect(run(call('rewrite', undefined))).toMatchObject([{ value: false }])
    expect(run(call('checkpoint', undefined))).toMatchObject([{ value: undefined }])
    expect(run(call('emptyLog', undefined))).toMatchObject([{ failure }])
    expect(reserve.left).toBe(3)
  })
})
