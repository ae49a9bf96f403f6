// Another process holds the database for long, stopped in the midst of a transaction or not: posts get 503 until
// it lets go, and nothing of what was refused is stored.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterwards, openShop, pbxForm, post, type Shop, token } from '../support/shop.ts'
import { until } from '../support/until.ts'

const fileOf = ({ folder }: Shop) => join(folder, 'sms.db')

const opened = async (): Promise<Shop> => {
  const shop = await openShop({ start: false })
  await shop.sms.ready
  expect(await shop.text()).toBe(200)
  return shop
}

const refused = async (shop: Shop) => {
  const answers = await Promise.all([1, 2, 3].map(() => post(`${shop.origin}/sms/pbx/${token}`, pbxForm())))
  for (const answer of answers) {
    expect([answer.status, await answer.text()]).toEqual([503, 'engine-busy'])
    expect(answer.headers.get('retry-after')).not.toBeNull()
  }
  const errors = shop.logger.lines.filter(({ level }) => level === 'error')
  expect(errors).toMatchObject([
    { details: { code: 'engine-busy', reason: expect.stringContaining('locked') } },
  ])
}

const servesAgain = async (shop: Shop) => {
  await until(async () => (await shop.text()) === 200)
  expect((await shop.sms.counts()).events).toBe(2)
  expect(shop.signals.of('stored')).toHaveLength(2)
}

test('locked by a shell that somebody left open', async () => {
  const shop = await opened()
  const shell = new DatabaseSync(fileOf(shop))
  afterwards(() => shell.isOpen && shell.close())
  shell.exec('BEGIN EXCLUSIVE')
  await refused(shop)
  await refused(shop)
  shell.exec('ROLLBACK')
  await servesAgain(shop)
})

test('locked by a process that was stopped in its transaction', async () => {
  const shop = await opened()
  const program = `
    const db = new (require('node:sqlite').DatabaseSync)(${JSON.stringify(fileOf(shop))})
    db.exec("BEGIN IMMEDIATE; UPDATE owner SET locked = locked")
    console.log('locked')
    process.kill(process.pid, 'SIGSTOP')
    setImmediate(() => { db.exec('COMMIT'); db.close() })`
  const child = spawn(process.execPath, ['--no-warnings', '-e', program], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  afterwards(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  await refused(shop)
  child.kill('SIGCONT')
  await servesAgain(shop)
})

test('locked while it is opened', async () => {
  const before = await opened()
  await before.sms.close()
  const shell = new DatabaseSync(fileOf(before))
  afterwards(() => shell.isOpen && shell.close())
  shell.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
  const shop = await openShop({ start: false }, { folder: before.folder })
  await until(() => shop.logger.lines.some(({ details }) => details.code === 'engine-busy'))
  expect(await shop.text()).toBe(503)
  shell.exec('ROLLBACK')
  shell.close()
  await shop.sms.ready
  expect(await shop.text()).toBe(200)
})
