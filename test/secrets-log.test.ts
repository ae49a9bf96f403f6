// The log holds no texts, no full numbers and no secrets, whatever goes wrong.
import { createServer } from 'node:net'
import { join } from 'node:path'
import {
  type DeliverTo,
  type Engine,
  EngineError,
  type Gateway,
  type SmsEvent,
  sqlite,
  urlNetworks,
} from '../lib/index.ts'
import { listen } from './support/http-server.ts'
import {
  afterwards,
  openShop,
  openWebhook,
  pbxForm,
  post,
  type Shop,
  type ShopOptions,
  tempFolder,
  token,
} from './support/shop.ts'
import type { SmtpMode } from './support/smtp.ts'
import { until } from './support/until.ts'

const text = 'Zebra crossing at noon'
const passwords = {
  smtp: 'smtp-hunter2',
  url: 'url-hunter3',
  key: 'query-hunter4',
  signing: `whsec_${btoa('signing-hunter5'.repeat(2))}`,
}
const words = /zebra|crossing|61412345678|61298765432|0412345678|hunter|a-long-random-token/i

const open = async (options: ShopOptions = {}) => {
  const shop = await openShop(options)
  await shop.sms.ready
  return shop
}
const sendTo = (shop: Shop) => shop.text({ body: text, from: '+61412345678', sms_number: ' 61298765432' })

/** There are lines of these levels, and nothing of what was sent is in any. */
const expectSilence = ({ logger }: Shop, ...levels: string[]) => {
  const seen = logger.lines.map(({ level }) => level as string)
  expect(seen).toEqual(expect.arrayContaining(levels))
  for (const line of logger.lines) expect(JSON.stringify(line)).not.toMatch(words)
}

const quick = { tries: 2, delaysMs: [1] }
/** With credentials and a key in the query. */
const secretive = (url: string) => {
  const full = new URL(url)
  full.username = 'crm'
  full.password = passwords.url
  full.searchParams.set('key', passwords.key)
  return full.href
}

const openNonsense = async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end(`HTTP/9 ${text}\r\n\r\n`)
  })
  const port = await listen(server)
  afterwards(() => server.close())
  return `http://127.0.0.1:${port}/`
}

test('not when deliveries succeed or fail, in any way', async () => {
  const answers = await openWebhook((_n, response) => {
    const path = response.req.url!
    const status = Number(/\d{3}/.exec(path)?.[0] ?? 500)
    if (path.includes('reset')) response.destroy()
    else if (!path.includes('slow'))
      response.writeHead(status, { location: `/${text}`.replaceAll(' ', '-') }).end(text)
  })
  const at = (path: string) => secretive(answers.url.replace('crm', path))
  const webhook = (url: string, policy = {}): DeliverTo => ({ url, policy: { ...quick, ...policy } })
  const deliverTo: Record<string, DeliverTo> = {
    ok: webhook(at('200')),
    signed: { url: at('200'), format: 'standard', secret: passwords.signing },
    failing: webhook(at('500')),
    created: webhook(at('201')),
    moved: webhook(at('302')),
    gone: webhook(at('410'), { endOn: [410] }),
    reset: webhook(at('reset')),
    slow: webhook(at('slow'), { timeoutMs: 20 }),
    tls: webhook(at('200').replace('http:', 'https:')),
    nonsense: webhook(secretive(await openNonsense())),
    refused: webhook(secretive('http://127.0.0.1:1/')),
    unknown: webhook(secretive('http://no-such-host.invalid/')),
    throwing: {
      policy: quick,
      handler: ({ text, from, to }) => {
        throw new TypeError(`${text} ${from?.raw} ${to?.raw}`)
      },
    },
    odd: { policy: quick, handler: ({ text }) => Promise.reject(text) },
    lost: { ...webhook(at('500')), fallback: { to: ({ text }) => Promise.reject(new Error(text!)) } },
    owner: { email: 'owner@example.com' },
  }
  const shop = await open({ deliverTo })
  shop.sms.on('stored', ({ event }) => {
    throw new Error(`${event.text} ${event.from?.raw}`)
  })
  expect(await sendTo(shop)).toBe(200)
  await until(async () => {
    const { deliveries } = await shop.sms.counts()
    return deliveries.delivered + deliveries.emailed === Object.keys(deliverTo).length - 1
  })
  // The lost one waits until its recipients are asked for again.
  expect((await shop.sms.counts()).deliveries).toMatchObject({ delivered: 2, pending: 1, emailed: 13 })
  expectSilence(shop, 'info', 'warn', 'error')
})

test.each<[SmtpMode, 'warn' | 'error']>([
  ['busy', 'warn'],
  ['refuse', 'error'],
  ['reject', 'error'],
  ['drop', 'warn'],
  ['no-login', 'error'],
  ['no-greeting', 'error'],
  ['down', 'warn'],
])('not when the mail server is %s', async (mode, level) => {
  const before = await open()
  await before.smtp.behave(mode)
  const smtp = before.smtp.url.replace('//', `//user:${passwords.smtp}@`)
  const shop = await open({ fallback: { smtp, to: ['owner@example.com'] } })
  expect(await sendTo(shop)).toBe(200)
  await until(() => shop.signals.seen.some(({ name }) => name === 'mailAttempt' || name === 'failed'))
  expectSilence(shop, level)
  expect(JSON.stringify(shop.logger.lines)).not.toContain('owner@example.com')
  expect((await shop.sms.test()).type).toBe('error')
})

describe('not when the store fails', () => {
  /** An error as careless as one can be. */
  const careless = () => new Error(`cannot write {"text":"${text}","from":"+61412345678"}`)

  const failing = (names: (keyof Engine)[], error: () => Error): { engine: Engine; mend(): void } => {
    const engine = sqlite(join(tempFolder(), 'sms.db'))
    let isMended = false
    const broken = names.map((name) => {
      const works = engine[name] as (...all: unknown[]) => unknown
      return [name, (...all: unknown[]) => (isMended ? works(...all) : Promise.reject(error()))] as const
    })
    return {
      engine: { ...engine, ...Object.fromEntries(broken) },
      mend: () => {
        isMended = true
      },
    }
  }

  test.each([
    ['its own words', () => new EngineError('engine-full', 'The disk that holds sms.db is full.')],
    ['careless words', careless],
  ])('to accept, with %s', async (_what, error) => {
    const { engine, mend } = failing(['accept'], error)
    const shop = await open({ engine })
    expect(await sendTo(shop)).toBe(503)
    expectSilence(shop, 'error')
    mend()
    expect(await sendTo(shop)).toBe(200)
  })

  test.each<keyof Engine>(['claim', 'claimMails', 'settle', 'settleMail'])('to %s', async (name) => {
    const { engine, mend } = failing([name], careless)
    const shop = await open({
      engine,
      deliverTo: { shop: { handler: () => Promise.reject(text), policy: { tries: 1 } } },
    })
    expect(await sendTo(shop)).toBe(200)
    await until(() => shop.logger.lines.some(({ level }) => level === 'error'))
    expectSilence(shop, 'error')
    mend()
  })

  test('to open, and to keep what cannot be read', async () => {
    const { engine, mend } = failing(['open', 'quarantine'], careless)
    const shop = await openShop({ engine })
    await until(() => shop.logger.lines.some(({ level }) => level === 'error'))
    expect(await post(`${shop.origin}/sms/pbx/${token}`, `nothing=${text}`)).toMatchObject({ status: 503 })
    expectSilence(shop, 'error')
    mend()
  })
})

test('not when requests are refused, or a gateway of your own is careless', async () => {
  const pbx = urlNetworks({ token })
  const careless: Gateway = {
    ...pbx,
    parse: (request) => {
      throw new SyntaxError(`Unexpected token in ${request.bytes}`)
    },
  }
  const shop = await open({ gateways: { pbx: urlNetworks({ token, smsNumber: '+61211111111' }), careless } })
  const statuses: number[] = []
  for (const path of [
    `pbx/${text}`,
    `pbx/${token}`,
    `careless/${token}`,
    `pbx?token=${passwords.key}`,
    'pbx',
  ])
    statuses.push((await post(`${shop.origin}/sms/${path}`, pbxForm({ body: text }))).status)
  statuses.push((await post(`${shop.origin}/sms/pbx/${token}`, pbxForm({ body: text.repeat(9_999) }))).status)
  expect(statuses).toEqual([401, 401, 400, 401, 401, 413])
  expectSilence(shop, 'warn', 'error')
  const events: SmsEvent[] = shop.signals.of('stored').map(({ event }) => event)
  expect(events).toEqual([])
})
