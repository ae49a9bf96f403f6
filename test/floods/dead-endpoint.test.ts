// A dead endpoint with a long backlog beside a healthy one: every message of the healthy one arrives while the dead
// one's still wait, and about as fast as without it.
import { createServer } from 'node:net'
import { join } from 'node:path'
import { monotonicNow } from '../../lib/clock.ts'
import { urlNetworks } from '../../lib/gateways/url-networks.ts'
import { smshook, sqlite } from '../../lib/index.ts'
import { smsEvent, webhookEndpoint } from '../support/events.ts'
import { listen } from '../support/http-server.ts'
import { recorder } from '../support/recorder.ts'
import { afterwards, openApp, openWebhook, pbxForm, post, tempFolder, token } from '../support/shop.ts'
import { scale, tell } from '../support/torture.ts'

const backlog = 500 * scale
const messages = 40 * scale
const numbers = { dead: '+61298765401', healthy: '+61298765402' }

/** Takes connections and never says a word. */
const openSilent = async (): Promise<string> => {
  const sockets = new Set<{ destroy(): unknown }>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}).resume())
  })
  const port = await listen(server)
  afterwards(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${port}/sms`
}

/** Nobody listens there any more. */
const openRefusing = async (): Promise<string> => {
  const server = createServer()
  const port = await listen(server)
  await new Promise((closed) => server.close(closed))
  return `http://127.0.0.1:${port}/sms`
}

const percentile = (values: readonly number[], share: number): string =>
  (values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? 0).toFixed(1)

/** Milliseconds from the post of each of the healthy one's messages to its arrival, one after another. */
const delays = async (dead: string, waiting: number) => {
  let arrived = () => {}
  const healthy = await openWebhook((_n, response) => {
    arrived()
    response.end()
  })
  const engine = sqlite(join(tempFolder(), 'sms.db'))
  const sms = smshook({
    gateways: { pbx: urlNetworks({ token }) },
    deliverTo: {
      dead: { url: dead, numbers: [numbers.dead] },
      healthy: { url: healthy.url, numbers: [numbers.healthy] },
    },
    fallback: false,
    engine,
    logger: recorder(),
  })
  afterwards(() => sms.close(0))
  await sms.ready
  const endpoints = [webhookEndpoint({ id: 'dead', url: dead })]
  const owed = Array.from({ length: waiting }, () => ({ event: smsEvent(), endpoints }))
  if (waiting > 0) await engine.accept(owed)
  const origin = await openApp((app) => app.use('/sms', sms.router))

  const took: number[] = []
  for (let n = 0; n < messages; n += 1) {
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const since = monotonicNow()
    const answer = await post(`${origin}/sms/pbx/${token}`, pbxForm({ sms_number: numbers.healthy }))
    expect(answer.status).toBe(200)
    await arrival
    took.push(monotonicNow() - since)
  }
  const { items } = await sms.list({ state: 'pending', endpoint: 'dead' }, { limit: 1_000 })
  return { took, arrived: healthy.asked.length, stillWaiting: items.length }
}

test.each([
  ['is silent', openSilent],
  ['refuses', openRefusing],
])(
  'an endpoint that %s',
  async (what, openDead) => {
    const dead = await openDead()
    const without = await delays(dead, 0)
    const beside = await delays(dead, backlog)
    tell(`dead endpoint that ${what}`, {
      waiting: backlog,
      messages,
      'median ms without it': percentile(without.took, 0.5),
      'with it': percentile(beside.took, 0.5),
      'p99 ms without it': percentile(without.took, 0.99),
      'with it, p99': percentile(beside.took, 0.99),
    })
    expect(beside.arrived).toBe(messages)
    // A try of the dead one costs it a try, never the delivery.
    expect(beside.stillWaiting).toBe(Math.min(backlog, 1_000))
  },
  60_000 + scale * 20_000,
)
