// The main job, whole: what the PBX posts is stored, acknowledged, tried and mailed. Everything is real but
// the length of the waits.
import { systemClock } from '../lib/clock.ts'
import { deferred } from './support/deferred.ts'
import { expresses, openShop, openWebhook, pbxForm, post, soon, token } from './support/shop.ts'
import { until } from './support/until.ts'

describe.each(Object.entries(expresses))('on Express %s', (_version, express) => {
  test('a post is acknowledged, stored and delivered', async () => {
    const webhook = await openWebhook(200)
    const shop = await openShop({ deliverTo: { crm: { url: webhook.url } } }, { express })
    await shop.sms.ready
    const answer = await post(`${shop.origin}/sms/pbx/${token}`, pbxForm({ body: 'Zwölf Rosen 🌹' }))
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe('')

    const { event, delivery } = await shop.signals.nth('delivered')
    expect(webhook.forms()).toEqual([
      {
        service_id: 'service-7',
        from: '+61412345678',
        sms_number: '+61298765432',
        body: 'Zwölf Rosen 🌹',
        message_id: event.messageId,
        timestamp: '1576391654',
        webhook_url: webhook.url,
        webhook_url_fallback: 'owner@example.com',
      },
    ])
    expect(delivery.tries).toBe(1)
    expect((await shop.sms.counts()).deliveries.delivered).toBe(1)
    expect(shop.smtp.received).toEqual([])
  })

  test('a webhook that stays dead is tried ten times, then the message goes out by email', async () => {
    const webhook = await openWebhook(500)
    const shop = await openShop({ deliverTo: { crm: { url: webhook.url, policy: soon } } }, { express })
    await shop.sms.ready
    expect(await shop.text({ body: 'Do you have roses?' })).toBe(200)

    const { mail, envelope } = await shop.smtp.next()
    expect(webhook.asked).toHaveLength(10)
    expect(envelope).toEqual({ from: 'sms@example.com', to: ['owner@example.com'] })
    expect(mail.subject).toBe('SMS from +61412345678 to +61298765432: "Do you have roses?"')
    expect(mail.text).toContain('Do you have roses?')
    expect(mail.text).toContain('did not answer 200 in 10 tries')
    const { deliveryIds } = await shop.signals.nth('emailed')
    const found = await shop.sms.find(deliveryIds[0]!)
    expect(found!.deliveries).toMatchObject([
      { delivery: { state: 'emailed', reason: 'spent', tries: 10 }, mail: { state: 'sent' } },
    ])
    expect(shop.signals.of('attempt').map(({ attempt }) => attempt.n)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ])
  })
})

test('a webhook that comes back is not mailed about', async () => {
  const webhook = await openWebhook((n, response) => response.writeHead(n < 4 ? 503 : 200).end())
  const shop = await openShop({ deliverTo: { crm: { url: webhook.url, policy: soon } } })
  await shop.sms.ready
  await shop.text()
  const { delivery } = await shop.signals.nth('delivered')
  expect(delivery.tries).toBe(4)
  expect(await shop.sms.counts()).toMatchObject({
    deliveries: { delivered: 1 },
    mails: { sent: 0, pending: 0 },
  })
})

test('a repeat gets the same answer and is stored, delivered and mailed once', async () => {
  const webhook = await openWebhook(200)
  const shop = await openShop({ deliverTo: { crm: { url: webhook.url } } })
  await shop.sms.ready
  const form = pbxForm()
  const address = `${shop.origin}/sms/pbx/${token}`
  const answers = await Promise.all([post(address, form), post(address, form), post(address, form)])
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  await shop.signals.nth('repeat', 2)
  await shop.signals.nth('delivered')
  expect(await shop.sms.counts()).toMatchObject({ events: 1, deliveries: { delivered: 1, pending: 0 } })
  expect(shop.signals.of('stored')).toHaveLength(1)
  expect(webhook.asked).toHaveLength(1)
})

test('the same words twice are two messages', async () => {
  const webhook = await openWebhook(200)
  const shop = await openShop({ deliverTo: { crm: { url: webhook.url } } })
  await shop.sms.ready
  await shop.text({ body: 'Yes' })
  await shop.text({ body: 'Yes' })
  await shop.signals.nth('delivered', 2)
  expect(webhook.asked).toHaveLength(2)
})

describe('what no endpoint wants', () => {
  const elsewhere = { crm: { url: 'http://127.0.0.1:9/crm', numbers: '+61 2 1111 1111' } }

  test('goes straight to the fallback', async () => {
    const shop = await openShop({ deliverTo: elsewhere })
    await shop.sms.ready
    expect(await shop.text({ body: 'Anybody there?' })).toBe(200)
    expect((await shop.smtp.next()).mail.text).toContain('Anybody there?')
    expect(await shop.signals.nth('mailing')).toMatchObject({ reason: 'unwanted', to: ['owner@example.com'] })
    expect(shop.signals.of('attempt')).toEqual([])
  })

  test('is mailed too when nobody is owed anything', async () => {
    const shop = await openShop()
    await shop.sms.ready
    expect(await shop.text()).toBe(200)
    expect((await shop.smtp.next()).mail.text).toContain('Do you have roses?')
  })

  test('is stored, logged and signalled when there is no fallback', async () => {
    const shop = await openShop({ deliverTo: elsewhere, fallback: false })
    await shop.sms.ready
    expect(await shop.text()).toBe(200)
    const { event } = await shop.signals.nth('unrouted')
    expect(shop.logger.lines.filter(({ level }) => level === 'warn')).toMatchObject([
      { details: { event: event.id }, message: expect.stringContaining('no endpoint wants it') },
    ])
    expect(await shop.sms.find(event.id)).toMatchObject({ event: { text: event.text }, deliveries: [] })
  })
})

describe('endpoints', () => {
  test('an email address gets the message at once, and says nothing about tries', async () => {
    const shop = await openShop({
      deliverTo: { owner: { email: ['owner@shop.example', 'two@shop.example'] } },
    })
    await shop.sms.ready
    await shop.text({ body: 'Tulips?' })
    const { envelope, mail } = await shop.smtp.next()
    expect(envelope.to).toEqual(['owner@shop.example', 'two@shop.example'])
    expect(mail.text).toContain('Tulips?')
    expect(mail.text).not.toMatch(/could not be reached|tries/)
    expect(await shop.signals.nth('mailing')).toMatchObject({ reason: 'direct' })
  })

  test('a handler is called until it resolves', async () => {
    const calls: [string | null, number][] = []
    const shop = await openShop({
      deliverTo: {
        shop: {
          policy: soon,
          handler: async (event, { attempt }) => {
            calls.push([event.text, attempt])
            if (attempt < 3) throw new Error('not yet')
          },
        },
      },
    })
    await shop.sms.ready
    await shop.text({ body: 'Lilies?' })
    await shop.signals.nth('delivered')
    expect(calls).toEqual([
      ['Lilies?', 1],
      ['Lilies?', 2],
      ['Lilies?', 3],
    ])
  })

  test('a handler that throws ten times, a TypeError too, ends in the email', async () => {
    const handler = () => {
      throw new TypeError('undefined is not a rose')
    }
    const shop = await openShop({ deliverTo: { shop: { handler, policy: soon } } })
    await shop.sms.ready
    await shop.text()
    expect((await shop.smtp.next()).mail.text).toContain('undefined is not a rose')
    expect(shop.signals.of('attempt')).toHaveLength(10)
  })

  test('each gets what it wants, and its own fallback', async () => {
    const dead = await openWebhook(500)
    const florist = await openWebhook(200)
    const shop = await openShop({
      deliverTo: {
        all: { url: dead.url, policy: soon, fallback: { to: 'all@example.com' } },
        florist: { url: florist.url, numbers: ['+61 2 9876 5432'] },
        baker: { url: florist.url, numbers: '61255550000' },
        statuses: {
          url: florist.url,
          format: 'standard',
          secret: `whsec_${btoa('x'.repeat(24))}`,
          events: ['message.failed'],
        },
      },
    })
    await shop.sms.ready
    await shop.text({ sms_number: '+61298765432', body: 'for the florist' })
    const { envelope } = await shop.smtp.next()
    expect(envelope.to).toEqual(['all@example.com'])
    await shop.signals.nth('delivered')
    expect(shop.signals.of('stored')).toMatchObject([{ endpoints: ['all', 'florist'] }])
    expect(florist.forms().map(({ body }) => body)).toEqual(['for the florist'])
  })
})

describe('recipients as a function of the event', () => {
  test('choose by what came', async () => {
    const shop = await openShop({
      fallback: {
        to: async ({ to }) => (to?.e164 === '+61298765432' ? 'florist@example.com' : 'baker@example.com'),
      },
    })
    await shop.sms.ready
    await shop.text({ sms_number: '+61298765432' })
    expect((await shop.smtp.next()).envelope.to).toEqual(['florist@example.com'])
    await shop.text({ sms_number: '+61255550000' })
    expect((await shop.smtp.next()).envelope.to).toEqual(['baker@example.com'])
  })

  test.each([
    [
      'throw',
      () => {
        throw new Error('no Do you have roses? for +61412345678')
      },
    ],
    ['return no address', () => 'nobody'],
  ])(
    'that %s are asked again for days; then the delivery is failed, listed, logged and signalled',
    async (_how, to) => {
      let later = 0
      let calls = 0
      const shop = await openShop({
        clock: { ...systemClock, now: () => Date.now() + later },
        fallback: {
          to: () => {
            calls += 1
            return to()
          },
        },
      })
      const errors = () => shop.logger.lines.filter(({ level }) => level === 'error')
      await shop.sms.ready
      expect(await shop.text()).toBe(200)
      await until(() => errors().length === 1)
      const [waiting] = (await shop.sms.list({ state: 'pending' })).items
      later = 2 * 60_000
      await until(() => calls === 2)
      expect(shop.signals.of('failed')).toEqual([])
      later = 6 * 24 * 60 * 60_000
      const { deliveryId, reason } = await shop.signals.nth('failed')

      expect([deliveryId, reason]).toEqual([waiting!.delivery.id, 'no-fallback'])
      expect((await shop.sms.list({ state: 'failed' })).items).toMatchObject([
        { delivery: { id: deliveryId } },
      ])
      for (const { details } of errors()) expect(details.delivery).toBe(deliveryId)
      expect(JSON.stringify(errors())).not.toMatch(/roses|61412345678/)
    },
  )
})

test('every try has its signal, also where there is no email afterwards', async () => {
  const webhook = await openWebhook(500)
  const shop = await openShop({ deliverTo: { crm: { url: webhook.url, policy: soon } }, fallback: false })
  await shop.sms.ready
  await shop.text()
  expect(await shop.signals.nth('failed')).toMatchObject({ endpointId: 'crm', reason: 'no-fallback' })
  expect(shop.signals.of('attempt')).toHaveLength(10)
})

test('the answer waits for nothing that comes after the commit', async () => {
  const release = deferred()
  const shop = await openShop({ deliverTo: { slow: { handler: () => release.promise } } })
  await shop.sms.ready
  expect(await shop.text()).toBe(200)
  await until(() => shop.signals.of('stored').length === 1)
  expect(shop.signals.of('delivered')).toEqual([])
  release.resolve()
  await shop.signals.nth('delivered')
})
