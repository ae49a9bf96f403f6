// The watch over the files of a database that several processes write to: what they do at the same moment is no
// damage, and a cut is.
import { appendFileSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keptStore } from '../../../lib/engines/sqlite/keeper.ts'
import { createReserve } from '../../../lib/engines/sqlite/reserve.ts'
import { openDatabase } from '../../../lib/engines/sqlite/schema.ts'
import { watchFiles } from '../../../lib/engines/sqlite/watch.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'smshook-'))
  path = join(folder, 'sms.db')
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

describe('a log that became shorter', () => {
  const logNeeds = (log: () => number) => {
    writeFileSync(path, '')
    writeFileSync(`${path}-wal`, 'x'.repeat(100))
    const files = watchFiles(path, { database: () => 0, log })
    files.confirm()
    truncateSync(`${path}-wal`, 10)
    return files
  }

  test('is whole when another process writes to it meanwhile, or empties it', () => {
    logNeeds(() => {
      appendFileSync(`${path}-wal`, 'x'.repeat(40))
      return 50
    }).confirm()
    let bytes = 50
    logNeeds(() => {
      bytes -= 50
      return bytes + 50
    }).confirm()
  })

  test('is damaged when it is too short each time', () => {
    expect(() => logNeeds(() => 50).confirm()).toThrow(/was 100 bytes long and is now 10/)
  })
})

test('a database that another process rewrote and wrote to again is whole, and one that was cut is not', () => {
  const [other, db] = [openDatabase(path), openDatabase(path)]
  const answers = [{ id: 1, value: 'seen' }]
  const counted = { run: () => ({ answers, isDue: false }), close: () => {} }
  const store = keptStore(counted, db, path, createReserve(`${path}.reserve`), 0)
  const look = () => store.run([{ id: 1, name: 'counts', now: 0, input: undefined }]).answers
  const write = () =>
    other.exec(`INSERT INTO quarantine (hash, gateway, method, content_type, received_at, reason, body)
      VALUES (randomblob(8), '', '', '', '', '', randomblob(1000000))`)
  try {
    for (let n = 0; n < 2; n += 1) {
      write()
      other.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      expect(look()).toEqual(answers)
      const before = statSync(path).size
      other.exec('DELETE FROM quarantine; VACUUM')
      expect(look()).toEqual(answers)
      other.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      write()
      expect(statSync(path).size).toBeLessThan(before)
      expect(look()).toEqual(answers)
    }
    truncateSync(path, statSync(path).size - 4096)
    expect(look()).toMatchObject([{ failure: { code: 'engine-damaged' } }])
  } finally {
    other.close()
    db.close()
  }
})
