// Tokens leave through nothing: not the store, not the webhook, not the mail, not the log, not a signal. That
// they would be found if they were there is what the last check of the first test is for.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type SmsEvent, urlNetworks } from '../lib/index.ts'
import { openShop, openWebhook, pbxForm, post, soon } from './support/shop.ts'

// The letters and digits of a token look the same however the rest of it is encoded.
const cores = { path: 'PathTokenKq7', query: 'QueryTokenVx3', basic: 'BasicTokenZw9' }
const tokens = {
  path: `${cores.path}/+&=é`,
  query: `${cores.query} "'<>`,
  basic: `${cores.basic}:%41~`,
}

const percentEncoded = (text: string) =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
const unescaped = (text: string) =>
  text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

/** Which tokens stand in it, as they are, percent-encoded up to three times, or in base64. */
const tokensIn = (haystack: string): string[] => {
  const once = unescaped(haystack)
  const twice = unescaped(once)
  const base64 = (haystack.match(/[A-Za-z0-9+/]{16,}={0,2}/g) ?? []).map((text) => atob64(text))
  const all = [haystack, once, twice, unescaped(twice), ...base64].join('\n')
  return Object.values(cores).filter((core) => all.includes(core))
}
const atob64 = (text: string) => Buffer.from(text, 'base64').toString('latin1')

const filesOf = (folder: string) =>
  readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'latin1')] as const)

const addresses = {
  path: `/sms/pbx/${encodeURIComponent(tokens.path)}`,
  query: `/sms/pbx?token=${encodeURIComponent(tokens.query)}`,
  basic: '/sms/pbx',
}
const login = { authorization: `Basic ${Buffer.from(`pbx:${tokens.basic}`).toString('base64')}` }
const headersOf = (way: string) => (way === 'basic' ? login : {})

const echoes: [string, (url: string) => string][] = [
  ['as it is', (url) => url],
  ['percent-encoded', encodeURIComponent],
  ['percent-encoded twice', (url) => encodeURIComponent(encodeURIComponent(url))],
  ['every letter percent-encoded', (url) => percentEncoded(decodeURIComponent(url))],
]

/** Our own full URL, as the PBX echoes it. */
const ownUrl = (origin: string, way: keyof typeof addresses) =>
  way === 'basic'
    ? `https://pbx:${encodeURIComponent(tokens.basic)}@shop.example.com/sms/pbx`
    : `${origin}${addresses[way]}`

test('no token leaves, whichever way it came and however it is echoed', async () => {
  const alive = await openWebhook(200)
  const dead = await openWebhook(500)
  const events: SmsEvent[] = []
  const shop = await openShop({
    gateways: { pbx: urlNetworks({ token: Object.values(tokens) }) },
    deliverTo: {
      alive: { url: alive.url },
      standard: { url: alive.url, format: 'standard', secret: `whsec_${btoa('x'.repeat(24))}` },
      dead: { url: dead.url, policy: { ...soon, tries: 2 } },
      shop: { handler: (event) => events.push(event) },
    },
  })
  await shop.sms.ready

  let stored = 0
  for (const way of Object.keys(addresses) as (keyof typeof addresses)[]) {
    const send = (form: URLSearchParams | string) =>
      post(`${shop.origin}${addresses[way]}`, form, headersOf(way))
    for (const [, echo] of echoes) {
      const url = echo(ownUrl(shop.origin, way))
      const echoed = { webhook_url: url, webhook_url_fallback: url, extra: `<a href="${url}">` }
      expect((await send(pbxForm({ ...echoed, [`name ${url}`]: 'x' }))).status).toBe(200)
      // As a list of lines says it: unescaped, with the rest of the query as fields of their own.
      const raw = `from=+61412345678&sms_number=61298765432&body=Roses&message_id=raw-${stored}&webhook_url=${url}`
      expect((await send(raw)).status).toBe(200)
      expect((await send(`nothing=in+it&webhook_url=${url}`)).status).toBe(400)
      stored += 2
    }
    const asked = await fetch(`${shop.origin}${addresses[way]}`, { headers: headersOf(way) })
    expect(asked.status).toBe(405)
    expect(tokensIn(await asked.text())).toEqual([])
  }
  expect((await post(`${shop.origin}/sms/pbx/wrong`)).status).toBe(401)
  await shop.signals.nth('emailed', stored)
  await shop.signals.nth('delivered', 3 * stored)
  const counts = await shop.sms.counts()
  expect(counts).toMatchObject({ events: stored, quarantined: expect.any(Number) })
  expect(counts.quarantined).toBeGreaterThan(0)

  const leftIn = {
    store: filesOf(shop.folder)
      .filter(([, bytes]) => tokensIn(bytes).length > 0)
      .map(([name]) => name),
    webhook: tokensIn(JSON.stringify([alive.asked, dead.asked])),
    handler: tokensIn(JSON.stringify(events)),
    mails: shop.smtp.received.flatMap(({ raw, mail }) => tokensIn(`${raw}${mail.text}${mail.html}`)),
    log: tokensIn(JSON.stringify(shop.logger.lines)),
    signals: tokensIn(JSON.stringify(shop.signals.seen)),
    found: tokensIn(JSON.stringify(await shop.sms.list({}, { limit: 1000 }))),
  }
  expect(leftIn).toEqual({ store: [], webhook: [], handler: [], mails: [], log: [], signals: [], found: [] })

  // The search finds what is there: the texts are in the store, and so would the tokens be.
  const database = filesOf(shop.folder)
    .map(([, bytes]) => bytes)
    .join('')
  expect(database).toContain('Do you have roses?')
  expect(tokensIn(echoes.map(([, echo]) => echo(ownUrl('', 'path'))).join(' '))).toEqual([cores.path])
})
