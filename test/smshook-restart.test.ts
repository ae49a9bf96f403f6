// Deliveries that wait while the configuration changes around them.
import type { ShopOptions } from './support/shop.ts'
import { openShop, openWebhook, soon } from './support/shop.ts'

/** Stores a message under `before`, tries nothing, and starts again under `after`. */
const restart = async (before: ShopOptions, after: ShopOptions) => {
  const first = await openShop({ ...before, start: false })
  await first.sms.ready
  expect(await first.text({ body: 'Still there?' })).toBe(200)
  await first.sms.close()
  return openShop(after, { folder: first.folder })
}

test.each<[string, (url: string) => ShopOptions]>([
  ['renamed', (url) => ({ deliverTo: { shop: { url } } })],
  ['removed', () => ({})],
  ['turned into a handler', () => ({ deliverTo: { crm: { handler: () => {} } } })],
])('a webhook that was %s is posted to as it was stored', async (_what, after) => {
  const old = await openWebhook(200)
  const other = await openWebhook(200)
  const shop = await restart({ deliverTo: { crm: { url: old.url } } }, after(other.url))
  expect((await shop.signals.nth('delivered')).delivery.endpoint.id).toBe('crm')
  expect(old.forms()).toMatchObject([{ body: 'Still there?' }])
  expect(other.asked).toEqual([])
})

test('what was removed keeps its own policy and recipients', async () => {
  const dead = await openWebhook(500)
  const crm = { url: dead.url, policy: { tries: 2, delaysMs: [1] }, fallback: { to: 'crm@example.com' } }
  const shop = await restart({ deliverTo: { crm } }, {})
  expect((await shop.smtp.next()).envelope.to).toEqual(['crm@example.com'])
  expect(dead.asked).toHaveLength(2)
})

test('the configuration of today wins where the endpoint still has its name', async () => {
  const old = await openWebhook(200)
  const moved = await openWebhook(500)
  const shop = await restart(
    { deliverTo: { crm: { url: old.url } } },
    { deliverTo: { crm: { url: moved.url, policy: soon, fallback: { to: 'moved@example.com' } } } },
  )
  const { envelope, mail } = await shop.smtp.next()
  expect(envelope.to).toEqual(['moved@example.com'])
  expect(mail.text).toContain(moved.url)
  expect(moved.asked).toHaveLength(10)
  expect(old.asked).toEqual([])
})

test('a handler that was removed leaves its messages to the email, which says so', async () => {
  const shop = await restart({ deliverTo: { shop: { handler: () => {} } } }, {})
  const { mail } = await shop.smtp.next()
  expect(mail.text).toContain('Still there?')
  expect(mail.text).toMatch(/no longer/)
  expect(shop.signals.of('mailing')).toMatchObject([
    { reason: 'orphaned', delivery: { endpoint: { id: 'shop' } } },
  ])
  expect(shop.signals.of('attempt')).toEqual([])
})

test('a handler under the same name is the one of today', async () => {
  const texts: (string | null)[] = []
  const shop = await restart(
    { deliverTo: { shop: { handler: () => {} } } },
    { deliverTo: { shop: { handler: ({ text }) => texts.push(text) } } },
  )
  await shop.signals.nth('delivered')
  expect(texts).toEqual(['Still there?'])
})

test('an email that was owed goes out after the restart', async () => {
  const shop = await restart({}, {})
  expect((await shop.smtp.next()).mail.text).toContain('Still there?')
})

test('a repeat after the restart is one still', async () => {
  const first = await openShop({ start: false })
  await first.sms.ready
  const message_id = '297abf7f-99d9-4b7d-9c46-1d7c13687b11'
  await first.text({ message_id })
  await first.sms.close()
  const second = await openShop({ start: false }, { folder: first.folder })
  await second.sms.ready
  expect(await second.text({ message_id })).toBe(200)
  await second.signals.nth('repeat')
  expect((await second.sms.counts()).events).toBe(1)
})
