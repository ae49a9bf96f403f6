// Group commit: what shares a transaction, what a failure takes with it, and how much may wait.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../../../lib/engines/sqlite/schema.ts'
import { type Call, storeOn, transactionsOf } from '../../../lib/engines/sqlite/store.ts'
import { sqlite, sqliteOn } from '../../../lib/engines/sqlite.ts'
import { smsEvent } from '../../support/events.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { recorder } from '../../support/recorder.ts'
import { slowGroup, turn } from '../../support/slow-group.ts'
import { claim, endpoint, owe } from '../conformance/steps.ts'

const acceptance = (event = smsEvent()) => ({
  id: event.id,
  gateway: event.gateway,
  identity: event.identity,
  event: JSON.stringify(event),
  endpoints: [{ id: 'crm', json: JSON.stringify(endpoint()) }],
  join: false,
})

describe('grouping', () => {
  const sent = (batches: { calls: readonly Call[] }[]) =>
    batches.map(({ calls }) => calls.map(({ now }) => now))

  test('what is called in one turn goes to the store together, and does not wait for what is there', async () => {
    const { batches, call, group, woken } = slowGroup()
    const first = [1, 2, 3].map((n) => call(n))
    expect(batches).toEqual([])
    await turn()
    const second = [4, 5].map((n) => call(n))
    await turn()
    expect(sent(batches)).toEqual([
      [1, 2, 3],
      [4, 5],
    ])
    batches[0]!.answer({ isDue: true })
    expect(await Promise.all(first)).toEqual([1, 2, 3])
    let isDrained = false
    const drained = group.drained().then(() => {
      isDrained = true
    })
    await turn()
    expect(isDrained).toBe(false)
    batches[1]!.answer()
    await drained
    expect(await Promise.all(second)).toEqual([4, 5])
    expect(woken()).toBe(1)
  })

  test('a busy turn does not keep the store waiting', async () => {
    const { batches, call } = slowGroup()
    for (let n = 1; n <= 30; n += 1) call(n)
    expect(sent(batches).map(({ length }) => length)).toEqual([12, 12])
    await turn()
    expect(sent(batches).flat()).toEqual(Array.from({ length: 30 }, (_, n) => n + 1))
  })

  test('a failure reaches the call it belongs to, with its cause', async () => {
    const { batches, call } = slowGroup()
    const calls = [call(1), call(2)]
    await turn()
    const failure = { code: 'ERR_SQLITE_ERROR', errcode: 13, message: 'database or disk is full' }
    const [{ id: first }, { id: second }] = batches[0]!.calls as [Call, Call]
    batches[0]!.answer({
      answers: [
        { id: second, value: 'ok' },
        { id: first, failure },
      ],
    })
    await expect(calls[0]).rejects.toMatchObject({
      name: 'EngineError',
      code: 'engine-full',
      message: expect.stringContaining('here'),
      cause: expect.objectContaining(failure),
    })
    await expect(calls[1]).resolves.toBe('ok')
  })

  test('more than 10,000 waiting, or 64 MB, is refused; what weighs nothing is not', async () => {
    for (const [count, chars] of [
      [9_999, 1],
      [4, 16 * 2 ** 20],
    ] as const) {
      const { batches, call, group } = slowGroup()
      const out = call(0, 0)
      await turn()
      const waiting = Array.from({ length: count }, (_, n) => call(n + 1, chars))
      await expect(call(-1)).rejects.toMatchObject({ name: 'EngineError', code: 'engine-overloaded' })
      const light = group.call('settle', {} as never, 7)
      await turn()
      for (const { answer } of batches) answer()
      await Promise.all([out, ...waiting, light])
      const after = call(8)
      await turn()
      batches.at(-1)!.answer()
      await expect(after).resolves.toBe(8)
    }
  })

  test('one call larger than all that may wait is taken when nothing waits', async () => {
    const { batches, call } = slowGroup()
    const large = call(1, 100 * 2 ** 20)
    await turn()
    batches[0]!.answer()
    await expect(large).resolves.toBe(1)
  })
})

describe('a batch', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'smshook-'))
    path = join(folder, 'sms.db')
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  /** https://www.sqlite.org/fileformat2.html#walformat: a commit is a frame that tells the size of the database. */
  const commits = () => {
    const wal = readFileSync(`${path}-wal`)
    const frame = 24 + wal.readUInt32BE(8)
    let count = 0
    for (let at = 32; at < wal.length; at += frame) if (wal.readUInt32BE(at + 4) > 0) count += 1
    return count
  }

  test('is all that has come by the time the store is free: one commit, one wake', async () => {
    const engine = sqlite(path)
    await engine.open({ clock: manualClock(), logger: recorder() })
    let woken = 0
    engine.onDue(() => {
      woken += 1
    })
    const before = commits()
    await Promise.all(Array.from({ length: 1000 }, () => owe(engine)))
    const count = commits() - before
    // They were sent in twelves.
    expect(count).toBeLessThan(1000 / 12)
    expect(woken).toBe(count)
    const claims = await claim(engine)
    await Promise.all(claims.map(({ lease }) => engine.settle(lease, null, { to: 'delivered' })))
    expect(woken).toBe(count)
    await engine.close()
  })

  test('on the main thread is all that one turn of the event loop called', async () => {
    const engine = sqliteOn(null, path)
    await engine.open({ clock: manualClock(), logger: recorder() })
    const before = commits()
    await Promise.all(Array.from({ length: 100 }, () => owe(engine)))
    expect(commits() - before).toBe(1)
    await engine.close()
  })

  test('is written nothing of when the disk is full, and can be tried again', () => {
    const db = openDatabase(path)
    const store = storeOn(db, null)
    const batch = Array.from({ length: 200 }, (_, id) => ({
      id,
      name: 'accept' as const,
      now: 1,
      input: [acceptance()],
    }))
    db.exec('PRAGMA max_page_count = 40')
    for (const answer of store.run(batch).answers) {
      expect(answer).toEqual({ id: expect.any(Number), failure: expect.objectContaining({ errcode: 13 }) })
    }
    const counts = () => store.run([{ id: 1, name: 'counts', now: 1, input: undefined }]).answers[0]
    expect(counts()).toMatchObject({ value: { events: 0 } })
    db.exec('PRAGMA max_page_count = 4000')
    expect(store.run(batch).answers.every((answer) => 'value' in answer)).toBe(true)
    expect(counts()).toMatchObject({ value: { events: 200, deliveries: { pending: 200 } } })
    store.close()
  })

  test('is not written while another process writes, and reads go on', () => {
    const [db, other] = [openDatabase(path), openDatabase(path)]
    const store = storeOn(db, null)
    db.exec('PRAGMA busy_timeout = 0')
    other.exec('BEGIN IMMEDIATE')
    const { answers } = store.run([{ id: 1, name: 'accept', now: 1, input: [acceptance()] }])
    expect(answers).toEqual([{ id: 1, failure: expect.objectContaining({ errcode: 5 }) }])
    expect(store.run([{ id: 1, name: 'counts', now: 1, input: undefined }]).answers).toMatchObject([
      { value: {} },
    ])
    other.exec('COMMIT')
    other.close()
    store.close()
  })

  describe('of leases', () => {
    const wish = { limit: 10, leaseMs: 1000, room: { default: 10, of: {} } }
    const accept: Call = { id: 1, name: 'accept', now: 1, input: [acceptance()] }
    const renew: Call = { id: 2, name: 'renew', now: 1, input: { leases: [], leaseMs: 1000 } }
    const lend: Call = { id: 3, name: 'claim', now: 1, input: wish }
    const lendMails: Call = { id: 4, name: 'claimMails', now: 1, input: wish }
    const counts: Call = { id: 5, name: 'counts', now: 1, input: undefined }

    const opened = () => {
      const db = openDatabase(path)
      const isFlushed = () => {
        const [level] = Object.values(db.prepare('PRAGMA synchronous').get()!)
        return level === 2
      }
      return { db, store: storeOn(db, null), isFlushed }
    }

    test('goes first and by itself, in order', () => {
      expect(transactionsOf([accept, renew, lend, counts, lendMails])).toEqual([
        [renew, lend],
        [accept, counts, lendMails],
      ])
      expect(transactionsOf([accept])).toEqual([[accept]])
      expect(transactionsOf([lend])).toEqual([[lend]])
    })

    test.each([
      ['the thread', () => sqlite(path)],
      ['the main thread', () => sqliteOn(null, path)],
    ])('has a commit of its own on %s', async (_, made) => {
      const engine = made()
      await engine.open({ clock: manualClock(), logger: recorder() })
      expect(await claim(engine)).toEqual([])
      await owe(engine)
      const before = commits()
      const [, claimed] = await Promise.all([owe(engine), claim(engine)])
      expect(claimed).toHaveLength(1)
      expect(commits() - before).toBe(2)
      await engine.close()
    })

    test('is the only one that is not flushed to disk', () => {
      const { store, isFlushed } = opened()
      for (const [batch, flushed] of [
        [[accept], true],
        [[renew, lend], false],
        [[lendMails], true],
        [[accept, lend], true],
        [[lend], false],
        [[counts], true],
      ] as const) {
        for (const answer of store.run(batch).answers) expect(answer).toHaveProperty('value')
        expect(isFlushed()).toBe(flushed)
      }
      store.close()
    })

    test('leaves nothing behind when it fails', () => {
      const { db, store, isFlushed } = opened()
      store.run([lend])
      // Within a transaction nothing can be said about flushing.
      db.exec('BEGIN')
      for (const call of [lend, accept]) expect(store.run([call]).answers).toMatchObject([{ failure: {} }])
      if (db.isTransaction) db.exec('ROLLBACK')
      expect(store.run([accept]).answers).toMatchObject([{ value: ['stored'] }])
      expect(isFlushed()).toBe(true)
      store.close()
    })
  })
})
