// Writes that fail, and a file or folder that may not be written: nothing is acknowledged meanwhile, and the same
// process goes on when that is over.
import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../lib/clock.ts'
import { attempt } from '../engines/conformance/steps.ts'
import { startEngine } from '../support/engine-process.ts'
import { smsEvent, webhookEndpoint } from '../support/events.ts'
import { breakDisk, mendDisk, testWithFailingWrites } from '../support/process-limit.ts'
import { afterwards, openShop, tempFolder } from '../support/shop.ts'
import { smallDisk, testOnSmallDisk } from '../support/small-disk.ts'
import { until } from '../support/until.ts'

const isRoot = process.getuid?.() === 0

testWithFailingWrites('writes that fail refuse all; then all goes on in the same process', async () => {
  const path = join(tempFolder(), 'sms.db')
  const engine = await startEngine(path, { isQuiet: true })
  afterwards(() => engine.signal('SIGKILL'))
  const kept: string[] = []
  const take = async () => {
    const event = smsEvent()
    await engine.accept([{ event, endpoints: [webhookEndpoint()] }])
    kept.push(event.id)
  }
  for (let n = 0; n < 5; n += 1) await take()
  const claims = await engine.claim({ limit: 2, leaseMs: 60_000, room: { default: 5, of: {} } })
  expect(claims).toHaveLength(2)

  breakDisk(engine.pid)
  await expect(take()).rejects.toMatchObject({
    code: 'engine-failed',
    message: expect.stringContaining('I/O'),
  })
  for (let n = 0; n < 20; n += 1) await expect(take()).rejects.toMatchObject({ code: 'engine-failed' })
  mendDisk(engine.pid)
  await until(() =>
    take().then(
      () => true,
      () => false,
    ),
  )
  expect(kept).toHaveLength(6)

  const { lease } = claims[0]!
  await until(async () => (await engine.settle(lease, attempt(), { to: 'delivered' })) !== undefined)
  for (const id of kept) expect(await engine.find(id)).not.toBeNull()
  engine.signal('SIGKILL')
  await engine.ended
  const next = await startEngine(path)
  afterwards(() => next.signal('SIGKILL'))
  for (const id of kept) expect(await next.find(id)).not.toBeNull()
  expect((await next.counts()).events).toBe(6)
})

// Permissions do not bind root, and who is not root cannot mount.
const readOnlyTest = isRoot ? testOnSmallDisk : test

readOnlyTest.each([
  ['folder', 'that is new'],
  ['file', 'that was used before'],
])('a read-only folder: a %s %s is opened once it may be written', async (kind) => {
  const disk = isRoot ? smallDisk(64)! : null
  const folder = disk?.folder ?? tempFolder()
  const setWritable = (isWritable: boolean) => {
    if (disk) execFileSync('mount', ['-o', `remount,${isWritable ? 'rw' : 'ro'}`, join(folder, '..')])
    else chmodSync(folder, isWritable ? 0o700 : 0o500)
  }
  if (kind === 'file') {
    const before = await openShop({ start: false }, { folder })
    await before.sms.ready
    await before.text()
    await before.sms.close()
  }
  setWritable(false)
  const clock = { ...systemClock, sleep: (_: number, signal?: AbortSignal) => systemClock.sleep(20, signal) }
  const shop = await openShop({ start: false, clock }, { folder })
  await until(() => shop.logger.lines.some(({ details }) => details.code === 'engine-failed'))
  expect(shop.logger.lines[0]!.details.reason).toMatch(/permissions/)
  expect(await shop.text()).toBe(503)
  setWritable(true)
  await shop.sms.ready
  expect(await shop.text()).toBe(200)
  expect((await shop.sms.counts()).events).toBe(kind === 'file' ? 2 : 1)
  await shop.sms.close()
})
