// The disk is full: posts are refused, tries and emails are still recorded, and all goes on once there is space.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { sqlite } from '../../lib/engines/sqlite.ts'
import { attempt, claim, claimMail, mailing, owe } from '../engines/conformance/steps.ts'
import { deferred } from '../support/deferred.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recorder } from '../support/recorder.ts'
import { afterwards, openShop, openWebhook, pbxForm, post, soon, token } from '../support/shop.ts'
import { type SmallDisk, smallDisk, testOnSmallDisk } from '../support/small-disk.ts'
import { until } from '../support/until.ts'

const reserveOf = ({ folder }: SmallDisk) => statSync(join(folder, 'sms.db.reserve')).size

const disk = (megabytes = 64): SmallDisk => smallDisk(megabytes)!

const open = async (folder: string) => {
  const engine = sqlite(join(folder, 'sms.db'))
  afterwards(() => engine.close())
  await engine.open({ clock: manualClock(), logger: recorder() })
  return engine
}

const isFullError = { name: 'EngineError', code: 'engine-full' }

testOnSmallDisk(
  'posts get 503 while what was taken is tried and mailed; then all goes on',
  async () => {
    const small = disk()
    const gate = deferred()
    const webhook = await openWebhook(async (_n, response) => {
      await gate.promise
      response.writeHead(500).end('x'.repeat(1000))
    })
    const options = { deliverTo: { crm: { url: webhook.url, policy: soon } } }
    const shop = await openShop(options, { folder: small.folder })
    await shop.sms.ready
    const address = `${shop.origin}/sms/pbx/${token}`

    small.fill()
    const taken: string[] = []
    let answer: Response
    for (;;) {
      const form = pbxForm({ body: 'x'.repeat(1500) })
      answer = await post(address, form)
      if (answer.status !== 200) break
      taken.push(form.get('message_id')!)
    }
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await answer.text()).toBe('engine-full')
    expect(await shop.text()).toBe(503)

    gate.resolve()
    await until(() => shop.signals.of('emailed').length === taken.length, 60_000)
    expect(await shop.text()).toBe(503)
    expect((await shop.sms.counts()).deliveries).toMatchObject({ pending: 0, emailed: taken.length })
    expect(webhook.asked).toHaveLength(10 * taken.length)
    const errors = shop.logger.lines.filter(({ level }) => level === 'error')
    expect(errors).toMatchObject([
      { details: { code: 'engine-full', reason: expect.stringContaining('free 32 MB') } },
    ])

    small.free()
    await until(async () => (await shop.text()) === 200)
    await shop.signals.nth('emailed', taken.length + 1)
    expect(reserveOf(small)).toBe(2 ** 24)
    for (const { event } of shop.signals.of('stored')) expect(await shop.sms.find(event.id)).not.toBeNull()
    expect(shop.signals.of('stored')).toHaveLength(taken.length + 1)
  },
  120_000,
)

testOnSmallDisk('a start on a full disk goes on with what was taken', async () => {
  const small = disk()
  const first = await open(small.folder)
  await owe(first)
  await first.close()
  small.fill()
  const engine = await open(small.folder)
  await expect(owe(engine)).rejects.toMatchObject(isFullError)
  const [one] = await claim(engine)
  expect(await engine.settle(one!.lease, attempt(), mailing)).toBe('settled')
  const { lease } = await claimMail(engine)
  const outcome = { type: 'sent', response: '250 OK', rejected: [] } as never
  expect(await engine.settleMail(lease, outcome, { to: 'sent' })).toBe('settled')
  expect(reserveOf(small)).toBeLessThan(2 ** 24)
  small.free()
  await until(() =>
    owe(engine).then(
      () => true,
      () => false,
    ),
  )
})

testOnSmallDisk(
  'a first start on a disk that is too small takes nothing, and says how much it needs',
  async () => {
    const small = disk(24)
    const engine = await open(small.folder)
    await expect(owe(engine)).rejects.toMatchObject({
      ...isFullError,
      message: expect.stringContaining('32 MB'),
    })
    const large = await open(disk(40).folder)
    await owe(large)
  },
)
