// What looks after the store, and the test mail: find, list, counts, replay, cancel, test.
import { OptionsError } from '../lib/index.ts'
import { openShop, openWebhook, soon } from './support/shop.ts'

describe('reading', () => {
  test('find takes the id of an event or of a delivery', async () => {
    const webhook = await openWebhook((n, response) => response.writeHead(n === 1 ? 503 : 200).end())
    const shop = await openShop({ deliverTo: { crm: { url: webhook.url, policy: soon } } })
    await shop.sms.ready
    await shop.text({ body: 'Roses?' })
    const { event, delivery } = await shop.signals.nth('delivered')
    const found = await shop.sms.find(event.id)
    expect(found).toMatchObject({
      event: { text: 'Roses?', gateway: 'pbx' },
      deliveries: [
        {
          delivery: { id: delivery.id, state: 'delivered', tries: 2 },
          attempts: [
            { n: 1, outcome: { type: 'answer', status: 503 } },
            { n: 2, outcome: { type: 'answer', status: 200 } },
          ],
          mail: null,
        },
      ],
    })
    expect(await shop.sms.find(delivery.id)).toEqual(found)
    expect(await shop.sms.find('nothing')).toBeNull()
  })

  test('list goes back page by page, and takes a state, an endpoint and a gateway', async () => {
    const webhook = await openWebhook(200)
    const shop = await openShop({
      deliverTo: { crm: { url: webhook.url }, shop: { handler: () => {}, numbers: '+61255550000' } },
    })
    await shop.sms.ready
    for (const body of ['one', 'two', 'three']) await shop.text({ body })
    await shop.text({ body: 'four', sms_number: '+61255550000' })
    await shop.signals.nth('delivered', 5)

    const textsOf = ({ items }: { items: { event: { text: string | null } }[] }) =>
      items.map(({ event }) => event.text)
    const first = await shop.sms.list({ endpoint: 'crm' }, { limit: 3 })
    expect(textsOf(first)).toEqual(['four', 'three', 'two'])
    const second = await shop.sms.list({ endpoint: 'crm' }, { limit: 3, cursor: first.cursor! })
    expect(textsOf(second)).toEqual(['one'])
    expect(second.cursor).toBeNull()
    expect(textsOf(await shop.sms.list({ endpoint: 'shop', state: 'delivered', gateway: 'pbx' }))).toEqual([
      'four',
    ])
    expect(textsOf(await shop.sms.list({ state: 'failed' }))).toEqual([])
    expect((await shop.sms.list()).items).toHaveLength(5)
    expect(await shop.sms.counts()).toMatchObject({ events: 4, deliveries: { delivered: 5 }, quarantined: 0 })
  })

  test('a post that cannot be read is counted in quarantine', async () => {
    const shop = await openShop()
    await shop.sms.ready
    expect(await shop.text({ from: '', sms_number: '', body: '', message_id: '' })).toBe(400)
    expect(await shop.sms.counts()).toMatchObject({ events: 0, quarantined: 1 })
    expect(shop.signals.of('rejected')).toMatchObject([{ gateway: 'pbx', code: 'body-unreadable' }])
  })
})

describe('replay', () => {
  test('starts an emailed delivery anew, all tries before it', async () => {
    let status = 500
    const webhook = await openWebhook((_n, response) => response.writeHead(status).end())
    const shop = await openShop({ deliverTo: { crm: { url: webhook.url, policy: soon } } })
    await shop.sms.ready
    await shop.text()
    const { deliveryIds } = await shop.signals.nth('emailed')

    status = 200
    expect(await shop.sms.replay(deliveryIds)).toBe(1)
    expect((await shop.signals.nth('delivered')).delivery).toMatchObject({ round: 2, tries: 1 })
    expect(webhook.asked).toHaveLength(11)
    const { deliveries } = (await shop.sms.find(deliveryIds[0]!))!
    expect(deliveries[0]!.attempts).toHaveLength(11)
    expect(shop.smtp.received).toHaveLength(1)
  })

  test('that fails again ends in a mail of its own', async () => {
    const webhook = await openWebhook(500)
    const shop = await openShop({ deliverTo: { crm: { url: webhook.url, policy: soon } } })
    await shop.sms.ready
    await shop.text()
    const { deliveryIds } = await shop.signals.nth('emailed')
    await shop.sms.replay(deliveryIds[0]!)
    await shop.signals.nth('emailed', 2)
    const ids = shop.smtp.received.map(({ mail }) => mail.messageId)
    expect(new Set(ids).size).toBe(2)
    expect(webhook.asked).toHaveLength(20)
  })

  test('leaves alone what is under way or does not exist', async () => {
    const shop = await openShop({ start: false })
    await shop.sms.ready
    await shop.text()
    const { items } = await shop.sms.list()
    expect(await shop.sms.replay([items[0]!.delivery.id, '4711', 'nothing'])).toBe(0)
  })
})

test('cancel ends what waits, without an email', async () => {
  const shop = await openShop({ start: false, deliverTo: { crm: { url: 'http://127.0.0.1:9/' } } })
  await shop.sms.ready
  await shop.text()
  const { delivery } = (await shop.sms.list()).items[0]!
  expect(await shop.sms.cancel(delivery.id)).toBe(1)
  expect(await shop.sms.cancel([delivery.id])).toBe(0)
  expect(await shop.sms.dispatcher.runDue()).toBe(0)
  expect((await shop.sms.list({ state: 'cancelled' })).items).toHaveLength(1)
  expect(shop.smtp.received).toEqual([])
})

describe('test()', () => {
  test('sends one marked mail to the recipients of the fallback, or to others', async () => {
    const shop = await openShop()
    expect(await shop.sms.test()).toMatchObject({ type: 'sent', rejected: [] })
    const { envelope, mail } = await shop.smtp.next()
    expect(envelope.to).toEqual(['owner@example.com'])
    expect(mail.subject).toMatch(/test/i)
    await shop.sms.test(['a@example.com', 'b@example.com'])
    expect((await shop.smtp.next()).envelope.to).toEqual(['a@example.com', 'b@example.com'])
    await shop.sms.ready
    expect((await shop.sms.counts()).mails).toEqual({ pending: 0, sent: 0, failed: 0 })
  })

  test('says what went wrong', async () => {
    const shop = await openShop({ fallback: { to: () => 'owner@example.com' } })
    expect(await shop.sms.test()).toMatchObject({ type: 'error', code: 'recipient', permanent: true })
    await shop.smtp.behave('refuse')
    expect(await shop.sms.test('owner@example.com')).toMatchObject({ type: 'error', permanent: true })
  })

  test('rejects where there is no email', async () => {
    const shop = await openShop({ fallback: false })
    await expect(shop.sms.test()).rejects.toThrow(OptionsError)
  })
})

test('a login that is refused is told at once', async () => {
  const shop = await openShop()
  await shop.smtp.behave('no-login')
  const other = await openShop({
    fallback: {
      smtp: shop.smtp.url.replace('//', '//user:hunter2@'),
      from: 'a@b.example',
      to: 'c@d.example',
    },
  })
  const { code, message } = await other.signals.nth('alert')
  expect(code).toMatch(/^mail-/)
  const errors = other.logger.lines.filter(({ level }) => level === 'error')
  expect(errors).toHaveLength(1)
  expect(JSON.stringify([errors, message])).not.toContain('hunter2')
})
