// The halves by themselves: a router in front of somebody's own store, and a dispatcher behind no router.
import { join } from 'node:path'
import {
  consoleLogger,
  createDispatcher,
  createRouter,
  type DispatcherOptions,
  type SmsEvent,
  sqlite,
  systemClock,
  urlNetworks,
} from '../lib/index.ts'
import { smsEvent } from './support/events.ts'
import { recorder } from './support/recorder.ts'
import {
  afterwards,
  expresses,
  openApp,
  openSmtp,
  openWebhook,
  pbxForm,
  post,
  soon,
  tempFolder,
  token,
} from './support/shop.ts'
import { until } from './support/until.ts'
import { watch } from './support/watch.ts'

describe.each(Object.entries(expresses))('createRouter on Express %s', (_version, express) => {
  test('calls accept once for a request and answers when it has resolved', async () => {
    const calls: SmsEvent[][] = []
    const accept = async (events: SmsEvent[]) => {
      calls.push(events)
      if (events[0]!.text === 'full') throw new Error('no room')
    }
    const logger = recorder()
    const router = createRouter({ gateways: { pbx: urlNetworks({ token }) }, accept, logger })
    const origin = await openApp((app) => app.use('/a/b', router), express)
    const address = `${origin}/a/b/pbx/${token}`

    expect((await post(address, pbxForm({ body: 'Roses?' }))).status).toBe(200)
    expect(calls).toMatchObject([[{ gateway: 'pbx', type: 'message.received', text: 'Roses?' }]])

    const refused = await post(address, pbxForm({ body: 'full' }))
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).not.toBeNull()
    expect(JSON.stringify(logger.lines)).not.toMatch(/Roses|no room/)

    expect((await post(`${origin}/a/b/pbx/wrong`)).status).toBe(401)
    expect(calls).toHaveLength(2)
  })
})

describe('createDispatcher', () => {
  const open = async (options: Partial<DispatcherOptions> = {}, file = ':memory:') => {
    const smtp = await openSmtp()
    const engine = sqlite(file)
    const logger = recorder()
    const dispatcher = createDispatcher({
      engine,
      fallback: { smtp: smtp.url, from: 'sms@example.com', to: 'owner@example.com' },
      logger,
      ...options,
    })
    const close = async () => {
      await dispatcher.close()
      await engine.close()
    }
    afterwards(close)
    await engine.open({ clock: systemClock, logger: consoleLogger })
    return { smtp, engine, dispatcher, signals: watch(dispatcher.on), close }
  }

  test('delivers what it is given, and mails what stays undelivered', async () => {
    const alive = await openWebhook(200)
    const dead = await openWebhook(500)
    const { smtp, dispatcher, signals, engine } = await open({
      deliverTo: { alive: { url: alive.url }, dead: { url: dead.url, policy: soon } },
    })
    dispatcher.start()
    await dispatcher.accept([smsEvent({ text: 'one' }), smsEvent({ text: 'two' })])
    const mails = [await smtp.next(), await smtp.next()]
    expect(mails.map(({ mail }) => /one|two/.exec(mail.text!)?.[0]).sort()).toEqual(['one', 'two'])
    await signals.nth('emailed', 2)
    expect((await engine.counts()).deliveries).toMatchObject({ delivered: 2, emailed: 2 })
    expect(dead.asked).toHaveLength(20)
  })

  test('does nothing until it is started or asked to', async () => {
    const webhook = await openWebhook(200)
    const { dispatcher } = await open({ deliverTo: { crm: { url: webhook.url } } })
    await dispatcher.accept([smsEvent()])
    expect(webhook.asked).toEqual([])
    expect(await dispatcher.runDue()).toBe(1)
    expect(webhook.asked).toHaveLength(1)
    expect(await dispatcher.runDue()).toBe(0)
  })

  test('accepts, dispatches and rejects like its engine', async () => {
    const { dispatcher, engine } = await open({ fallback: false })
    const event = smsEvent()
    await dispatcher.accept([event])
    await dispatcher.accept([event])
    expect((await engine.counts()).events).toBe(1)
    await engine.close()
    await expect(dispatcher.accept([smsEvent()])).rejects.toMatchObject({ code: 'engine-closed' })
  })

  test('says at its start that emails wait which nobody will send', async () => {
    const file = join(tempFolder(), 'sms.db')
    const before = await open(
      { fallback: { smtp: 'smtp://127.0.0.1:1', from: 'a@b.example', to: 'c@d.example' } },
      file,
    )
    await before.dispatcher.accept([smsEvent()])
    await before.dispatcher.runDue()
    await before.close()

    const logger = recorder()
    const { dispatcher } = await open({ fallback: false, logger }, file)
    dispatcher.start()
    await until(() => logger.lines.some(({ level, details }) => level === 'error' && details.mails === 1))
  })

  test('two on one file accept; what both know is delivered once', async () => {
    const file = join(tempFolder(), 'sms.db')
    const webhook = await openWebhook(200)
    const options = { deliverTo: { crm: { url: webhook.url } } }
    const one = await open(options, file)
    const two = await open(options, file)
    one.dispatcher.start()
    two.dispatcher.start()
    const event = smsEvent()
    await Promise.all([one.dispatcher.accept([event]), two.dispatcher.accept([event])])
    const delivered = () => [one, two].flatMap(({ signals }) => signals.of('delivered'))
    await until(() => delivered().length > 0)
    expect((await two.engine.counts()).deliveries.delivered).toBe(1)
    expect(webhook.asked).toHaveLength(1)
  })

  test('a watcher that throws harms nobody, and may stop watching', async () => {
    const webhook = await openWebhook(200)
    const { dispatcher, signals } = await open({ deliverTo: { crm: { url: webhook.url } } })
    let calls = 0
    const stop = dispatcher.on('stored', () => {
      calls += 1
      throw new Error('not my day')
    })
    dispatcher.start()
    await dispatcher.accept([smsEvent()])
    await signals.nth('delivered')
    stop()
    await dispatcher.accept([smsEvent()])
    await signals.nth('delivered', 2)
    expect(calls).toBe(1)
  })
})
