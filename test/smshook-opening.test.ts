// From the start to the end of an app: before the store is open, two gateways or one, cron, and closing.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../lib/clock.ts'
import { type Engine, sqlite, urlNetworks } from '../lib/index.ts'
import { deferred } from './support/deferred.ts'
import { openApp, openShop, openWebhook, pbxForm, post, soon, tempFolder, token } from './support/shop.ts'
import { until } from './support/until.ts'

describe('until the store is open', () => {
  test('posts are answered 503, and the same post is taken afterwards', async () => {
    const inner = sqlite(join(tempFolder(), 'sms.db'))
    const held = deferred()
    const engine: Engine = { ...inner, open: (context) => held.promise.then(() => inner.open(context)) }
    const shop = await openShop({ engine })
    const form = pbxForm()
    const address = `${shop.origin}/sms/pbx/${token}`

    const early = await post(address, form)
    expect(early.status).toBe(503)
    expect(Number(early.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await early.text()).toBe('engine-not-ready')
    held.resolve()
    await shop.sms.ready
    expect((await post(address, form)).status).toBe(200)
    await shop.signals.nth('emailed')
    expect(shop.signals.of('repeat')).toEqual([])
  })

  test('a store that cannot be opened is tried again, and says so', async () => {
    const folder = join(tempFolder(), 'not yet')
    const waits: number[] = []
    const retry = deferred()
    const sleep = async (ms: number) => {
      if (waits.push(ms) === 3) await retry.promise
    }
    const shop = await openShop({ engine: sqlite(join(folder, 'sms.db')), clock: { ...systemClock, sleep } })
    await until(() => waits.length === 3)
    expect(waits).toEqual([1_000, 5_000, 5_000])
    expect(await shop.text()).toBe(503)
    expect(shop.logger.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { details: { code: 'engine-failed', reason: expect.stringContaining('Create the folder') } },
      { details: { code: 'engine-not-ready' } },
    ])
    mkdirSync(folder)
    retry.resolve()
    await shop.sms.ready
    expect(await shop.text()).toBe(200)
  })

  test('closing does not wait for a store that never opens', async () => {
    const shop = await openShop({ engine: sqlite(join(tempFolder(), 'no such folder', 'sms.db')) })
    await shop.sms.close()
    expect(await shop.text()).toBe(503)
  })
})

describe('gateways', () => {
  test('several have an address and a token each', async () => {
    const shop = await openShop({
      gateways: { pbx: urlNetworks({ token }), branch: urlNetworks({ token: ['next', 'previous'] }) },
    })
    await shop.sms.ready
    const statuses: number[] = []
    for (const path of [
      `pbx/${token}`,
      'branch/next',
      'branch?token=previous',
      'pbx/next',
      `branch/${token}`,
    ])
      statuses.push((await post(`${shop.origin}/sms/${path}`)).status)
    expect(statuses).toEqual([200, 200, 200, 401, 401])
    expect(shop.signals.of('stored').map(({ event }) => event.gateway)).toEqual(['pbx', 'branch', 'branch'])
    expect(shop.signals.of('rejected')).toMatchObject([
      { gateway: 'pbx', code: 'token-mismatch' },
      { gateway: 'branch', code: 'token-mismatch' },
    ])
  })

  test('the same message id at two gateways is two messages', async () => {
    const shop = await openShop({ gateways: { a: urlNetworks({ token }), b: urlNetworks({ token }) } })
    await shop.sms.ready
    const form = pbxForm()
    await post(`${shop.origin}/sms/a/${token}`, form)
    await post(`${shop.origin}/sms/b/${token}`, form)
    expect((await shop.sms.counts()).events).toBe(2)
  })

  test('a single one is at the mount path itself', async () => {
    const shop = await openShop({ gateway: urlNetworks({ token }) })
    await shop.sms.ready
    const [right, wrong, none] = await Promise.all(
      [`/sms/${token}`, '/sms/wrong', '/sms'].map((path) => post(`${shop.origin}${path}`)),
    )
    expect([right!.status, wrong!.status, none!.status]).toEqual([200, 401, 401])
  })

  test('the log says once where the store is and what to paste, without the tokens', async () => {
    const shop = await openShop({
      gateways: { pbx: urlNetworks({ token }), open: urlNetworks({ allowUnauthenticated: true }) },
    })
    await shop.sms.ready
    expect(shop.logger.lines.filter(({ level }) => level === 'info')).toMatchObject([
      {
        details: {
          store: join(shop.folder, 'sms.db'),
          addresses: [
            'https://<your host>/<mount path>/pbx/<token>',
            'https://<your host>/<mount path>/open',
          ],
        },
      },
    ])
  })

  test('the router of an operator lets everything pass', async () => {
    const shop = await openShop({ gateways: undefined })
    const origin = await openApp((app) => {
      app.use(shop.sms.router)
      app.post('/own', (_request, response) => response.sendStatus(204))
    })
    expect((await post(`${origin}/own`)).status).toBe(204)
  })
})

describe('start: false', () => {
  test('delivers and mails only while runDue runs', async () => {
    const webhook = await openWebhook(500)
    const shop = await openShop({ start: false, deliverTo: { crm: { url: webhook.url, policy: soon } } })
    await shop.sms.ready
    await shop.text()
    expect(await shop.sms.dispatcher.runDue({ maxMs: 0 })).toBe(0)
    expect(webhook.asked).toHaveLength(0)
    await until(async () => {
      await shop.sms.dispatcher.runDue({ maxMs: 5_000 })
      return shop.signals.of('emailed').length > 0
    })
    expect(webhook.asked).toHaveLength(10)
    expect((await shop.sms.counts()).deliveries.emailed).toBe(1)
  })

  test('runDue waits for the store to open', async () => {
    const first = await openShop({ start: false })
    await first.sms.ready
    await first.text()
    await first.sms.close()
    const second = await openShop({ start: false }, { folder: first.folder })
    expect(await second.sms.dispatcher.runDue({ maxMs: 5_000 })).toBe(2)
    expect(second.smtp.received).toHaveLength(1)
  })
})

describe('close', () => {
  test('lets the try under way finish; later posts get 503 and may be sent again', async () => {
    const started = deferred()
    const finish = deferred()
    const shop = await openShop({
      deliverTo: {
        shop: {
          handler: () => {
            started.resolve()
            return finish.promise
          },
        },
      },
    })
    await shop.sms.ready
    await shop.text()
    await started.promise
    const closed = shop.sms.close()
    finish.resolve()
    await closed
    expect(shop.signals.of('delivered')).toHaveLength(1)

    const answer = await post(`${shop.origin}/sms/pbx/${token}`)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).not.toBeNull()
    expect(await answer.text()).toBe('engine-closed')
    await shop.sms.close()
  })

  test('gives back what takes longer than the grace time; the next start makes that try again', async () => {
    const started = deferred()
    const handler = () => {
      started.resolve()
      return new Promise(() => {})
    }
    const first = await openShop({ deliverTo: { shop: { handler } } })
    await first.sms.ready
    await first.text()
    await started.promise
    await first.sms.close(1)
    expect(first.logger.lines.filter(({ level }) => level === 'warn')).toMatchObject([
      { details: { deliveries: 1 }, message: expect.stringContaining('made again at the next start') },
    ])

    const second = await openShop({ deliverTo: { shop: { handler: () => {} } } }, { folder: first.folder })
    const { delivery } = await second.signals.nth('delivered')
    expect(delivery).toMatchObject({ tries: 1, interruptions: 0 })
  })

  test('what waits for its next try goes on after a restart', async () => {
    const webhook = await openWebhook((n, response) => response.writeHead(n === 1 ? 500 : 200).end())
    const options = { deliverTo: { crm: { url: webhook.url, policy: { delaysMs: [50] } } } }
    const first = await openShop(options)
    await first.sms.ready
    await first.text()
    await first.signals.nth('attempt')
    await first.sms.close()
    const second = await openShop(options, { folder: first.folder })
    expect((await second.signals.nth('delivered')).delivery).toMatchObject({ tries: 2, interruptions: 0 })
  })
})
