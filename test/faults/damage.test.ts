// The files of the database are cut, moved, deleted or replaced under a running app: nothing is acknowledged
// that is not in the file of that name, nothing is overwritten, and all goes on once the file is whole again.
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { migrations } from '../../lib/engines/sqlite/schema.ts'
import { openShop, pbxForm, post, type Shop, tempFolder, token } from '../support/shop.ts'
import { until } from '../support/until.ts'

const fileOf = ({ folder }: Shop) => join(folder, 'sms.db')

/** With some messages in it, all of them in the file itself and none in its log. */
const openUsed = async (): Promise<Shop> => {
  const shop = await openShop({ start: false })
  await shop.sms.ready
  for (let n = 0; n < 20; n += 1) expect(await shop.text({ body: 'x'.repeat(1000) })).toBe(200)
  change(shop, 'PRAGMA wal_checkpoint(TRUNCATE)')
  return shop
}

const change = (shop: Shop, sql: string) => {
  const db = new DatabaseSync(fileOf(shop), { timeout: 5000 })
  db.exec(sql)
  db.close()
}

const refused = async (shop: Shop, code: string): Promise<string> => {
  const answer = await post(`${shop.origin}/sms/pbx/${token}`, pbxForm())
  expect([answer.status, await answer.text()]).toEqual([503, code])
  expect(answer.headers.get('retry-after')).not.toBeNull()
  const errors = shop.logger.lines.filter(({ level }) => level === 'error')
  return errors.find(({ details }) => details.code === code)!.details.reason as string
}

const servesAgain = (shop: Shop) => until(async () => (await shop.text()) === 200)

const keptAll = async (shop: Shop) => {
  for (const { event } of shop.signals.of('stored')) expect(await shop.sms.find(event.id)).not.toBeNull()
}

/** A line or two for each kind of trouble, however often it was met. */
const linesOf = (shop: Shop) => shop.logger.lines.filter(({ level }) => level === 'error' || level === 'warn')

describe('the database', () => {
  test('that lost its end takes nothing until a whole one is in its place', async () => {
    const shop = await openUsed()
    const file = fileOf(shop)
    copyFileSync(file, `${file}.backup`)
    const cut = statSync(file).size / 2
    truncateSync(file, cut)
    const reason = await refused(shop, 'engine-damaged')
    expect(reason).toContain('is damaged')
    for (let n = 0; n < 20; n += 1) await refused(shop, 'engine-damaged')
    expect(shop.signals.of('stored')).toHaveLength(20)
    renameSync(`${file}.backup`, file)
    rmSync(`${file}-wal`, { force: true })
    await servesAgain(shop)
    await keptAll(shop)
    expect(linesOf(shop).length).toBeLessThanOrEqual(4)
  })

  test('that lost its end can be mended as the log says', async () => {
    const shop = await openUsed()
    truncateSync(fileOf(shop), statSync(fileOf(shop)).size - 4096)
    const reason = await refused(shop, 'engine-damaged')
    // By then the app has let go of it.
    await until(() => !existsSync(`${fileOf(shop)}-shm`))
    const [, commands] = reason.match(/can be read: (.*)$/)!
    expect(commands).toContain('sqlite3')
    try {
      execFileSync('sqlite3', ['-version'], { stdio: 'pipe' })
    } catch {
      console.warn('mending is skipped: there is no sqlite3 here')
      return
    }
    execFileSync('sh', ['-c', commands!], { stdio: 'pipe' })
    await servesAgain(shop)
    expect((await shop.sms.counts()).events).toBeGreaterThan(10)
    expect(existsSync(join(shop.folder, 'damaged', 'sms.db'))).toBe(true)
  })

  test.each([
    ['is overwritten', (file: string) => writeFileSync(file, Buffer.alloc(statSync(file).size))],
    ['is emptied', (file: string) => truncateSync(file)],
  ])('that %s is no new one, also after a restart', async (_, harm) => {
    const shop = await openUsed()
    const file = fileOf(shop)
    copyFileSync(file, `${file}.backup`)
    await shop.sms.close()
    harm(file)
    const size = statSync(file).size
    const next = await openShop({ start: false }, { folder: shop.folder })
    await until(() => next.logger.lines.some(({ level }) => level === 'error'))
    expect(await next.text()).toBe(503)
    expect(next.logger.lines[0]!.details).toMatchObject({ code: 'engine-damaged' })
    expect(statSync(file).size).toBe(size)
    copyFileSync(`${file}.backup`, file)
    await servesAgain(next)
    expect((await next.sms.counts()).events).toBe(21)
  })

  test('that was moved away is not made anew, and goes on once it is back', async () => {
    const shop = await openUsed()
    const file = fileOf(shop)
    renameSync(file, `${file}.away`)
    await refused(shop, 'engine-damaged')
    await until(async () => /is gone/.test(await refused(shop, 'engine-damaged')))
    expect(existsSync(file)).toBe(false)
    renameSync(`${file}.away`, file)
    await servesAgain(shop)
    await keptAll(shop)
  })

  test('that was replaced is noticed before anything is acknowledged', async () => {
    const shop = await openUsed()
    const file = fileOf(shop)
    copyFileSync(file, `${file}.copy`)
    renameSync(`${file}.copy`, file)
    expect(await refused(shop, 'engine-damaged')).toContain('replaced')
    await servesAgain(shop)
    await keptAll(shop)
  })

  test('that a newer version brought up to date meanwhile is not written to', async () => {
    const shop = await openUsed()
    change(shop, `PRAGMA user_version = ${migrations.length + 1}`)
    await until(async () => (await shop.text()) === 503)
    expect(await refused(shop, 'engine-newer')).toContain('newer')
    change(shop, `PRAGMA user_version = ${migrations.length}`)
    await servesAgain(shop)
    await keptAll(shop)
  })

  test('of a newer version is taken as soon as it is not any more', async () => {
    const folder = tempFolder()
    const first = await openShop({ start: false }, { folder })
    await first.sms.ready
    await first.sms.close()
    change(first, `PRAGMA user_version = ${migrations.length + 1}`)
    const shop = await openShop({ start: false }, { folder })
    await until(() => shop.logger.lines.some(({ details }) => details.code === 'engine-newer'))
    expect(await shop.text()).toBe(503)
    change(shop, `PRAGMA user_version = ${migrations.length}`)
    await servesAgain(shop)
  })
})

describe('the log of the database', () => {
  test('that lost its end: what is left is kept, and the loss is told', async () => {
    const shop = await openUsed()
    for (let n = 0; n < 20; n += 1) await shop.text()
    const log = `${fileOf(shop)}-wal`
    truncateSync(log, Math.round(statSync(log).size / 2))
    expect(await refused(shop, 'engine-damaged')).toContain('sms.db-wal was')
    await servesAgain(shop)
    const { events } = await shop.sms.counts()
    expect(events).toBeGreaterThan(20)
    expect(events).toBeLessThan(42)
    for (const { event } of shop.signals.of('stored').slice(0, 20))
      expect(await shop.sms.find(event.id)).not.toBeNull()
  })

  test('that was deleted: nothing of it is lost', async () => {
    const shop = await openUsed()
    for (let n = 0; n < 20; n += 1) await shop.text()
    rmSync(`${fileOf(shop)}-wal`)
    expect(await refused(shop, 'engine-damaged')).toContain('gone')
    await servesAgain(shop)
    await keptAll(shop)
  })

  test('may be emptied by others', async () => {
    const shop = await openUsed()
    await shop.text()
    change(shop, 'PRAGMA wal_checkpoint(TRUNCATE)')
    expect(await shop.text()).toBe(200)
    expect(linesOf(shop)).toEqual([])
    expect(readFileSync(`${fileOf(shop)}-wal`).length).toBeGreaterThan(0)
  })
})
