// Keeping and erasing as the app sees them: `retention`, `erase`.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../lib/clock.ts'
import { OptionsError, smshook } from '../lib/index.ts'
import { manualClock } from './support/manual-clock.ts'
import { openShop, openWebhook, soon } from './support/shop.ts'
import { until } from './support/until.ts'

const day = 86_400_000
const person = '+61411122233'

describe('retention', () => {
  test('prunes texts and then events, in the background', async () => {
    const webhook = await openWebhook(200)
    const clock = manualClock(Date.now())
    const deliverTo = { crm: { url: webhook.url } }
    const shop = await openShop({ deliverTo, clock, retention: { textMs: 60_000, eventsMs: 120_000 } })
    await shop.sms.ready
    await shop.text({ body: 'Do you have roses?' })
    const { event } = await shop.signals.nth('delivered')
    const found = () => shop.sms.find(event.id)

    await until(async () => {
      await clock.advance(1000)
      return (await found())?.event.text === null
    })
    expect((await found())?.event).toMatchObject({ from: { e164: '+61412345678' }, raw: null })
    await until(async () => {
      await clock.advance(1000)
      return (await found()) === null
    })
    expect(await shop.sms.counts()).toMatchObject({ events: 0, deliveries: { delivered: 0 } })
  })

  test('is part of runDue', async () => {
    const webhook = await openWebhook(200)
    let leaptMs = 0
    const clock = { ...systemClock, now: () => Date.now() + leaptMs }
    const deliverTo = { crm: { url: webhook.url } }
    const shop = await openShop({ deliverTo, clock, start: false, retention: { eventsMs: day } })
    await shop.sms.ready
    await shop.text()
    expect(await shop.sms.dispatcher.runDue()).toBe(1)
    expect((await shop.sms.counts()).events).toBe(1)
    leaptMs = day
    expect(await shop.sms.dispatcher.runDue()).toBe(0)
    expect((await shop.sms.counts()).events).toBe(0)
  })

  test.each([
    [{ textMs: 30 }, /`retention.textMs` is 30; write milliseconds, 60,000 or more/],
    [{ eventsMs: '7 days' }, /`retention.eventsMs` is "7 days"; write milliseconds/],
    [{ textsMs: day }, /did you mean `textMs`/],
    [30 * day, /`retention` is 2592000000; write an object such as \{ textMs/],
  ])('%j is refused in words', (retention, words) => {
    expect(() => smshook({ fallback: false, retention: retention as object })).toThrow(words)
  })
})

describe('erase', () => {
  test('nothing of a person is left in any file, and a repeat is not stored again', async () => {
    const webhook = await openWebhook((_n, response) => response.writeHead(500).end('no roses for you'))
    const shop = await openShop({ deliverTo: { crm: { url: webhook.url, policy: soon } } })
    await shop.sms.ready
    const form = { from: person, body: 'Do you have roses?', message_id: crypto.randomUUID() }
    await shop.text(form)
    await shop.signals.nth('emailed')
    const left = () =>
      readdirSync(shop.folder)
        .map((name) => readFileSync(join(shop.folder, name), 'latin1'))
        .flatMap((text) => text.match(/11122233|roses/g) ?? [])
    expect(left().length).toBeGreaterThan(0)

    expect(await shop.sms.erase('+61 411 122 233')).toBe(1)
    expect(left()).toEqual([])
    expect(await shop.text(form)).toBe(200)
    await shop.signals.nth('repeat')
    expect(await shop.sms.counts()).toMatchObject({ events: 0, mails: { sent: 0 } })
    expect(left()).toEqual([])
  })

  test('what waits is not delivered any more', async () => {
    const webhook = await openWebhook(200)
    const shop = await openShop({ start: false, deliverTo: { crm: { url: webhook.url } } })
    await shop.sms.ready
    await shop.text({ from: person })
    await shop.text({ from: '+61411122234' })
    await shop.text()
    expect(await shop.sms.erase([person, '+61411122234'])).toBe(2)
    expect(await shop.sms.dispatcher.runDue()).toBe(1)
    expect(webhook.forms().map(({ from }) => from)).toEqual(['+61412345678'])
  })

  test.each(['', '+', undefined, 61411122233, [person, '']])('%p is refused', async (numbers) => {
    const shop = await openShop()
    await expect(shop.sms.erase(numbers as string)).rejects.toThrow(OptionsError)
  })
})
