// The database server goes away under load: stopped in order, killed, or paused. The app lives, refuses what it cannot
// store, and goes on by itself when the server is back; nothing that it acknowledged is lost.
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { ownServer, query } from '../support/postgres.ts'
import { afterwards, openSmtp, openWebhook } from '../support/shop.ts'
import { scale, tell } from '../support/torture.ts'
import { until } from '../support/until.ts'
import { type Answer, type OutageApp, startOutageApp } from './outage-app.ts'

const server = await ownServer()
afterAll(() => server.end())

/** How long the server stays away: every day until enough was refused, in the torture run for half a minute. */
const awayMs = scale > 1 ? 30_000 : 0
/** The sender gives up after five seconds; what the answer itself takes on a busy machine comes on top. */
const mostMs = 6_000

const schemaOf = (): string => `t_${randomUUID().replaceAll('-', '').slice(0, 12)}`

type Load = {
  answers: Answer[]
  accepted(): number
  refused(): number
  stop(): Promise<void>
}

/** Posts on and on, eight at a time, each another message; one in ten goes by email. */
const startLoad = (app: OutageApp): Load => {
  const answers: Answer[] = []
  let isOver = false
  const sender = async () => {
    for (let n = 1; !isOver; n += 1) {
      answers.push(await app.post(randomUUID(), n % 10 === 0 ? 'none' : 'crm'))
      await pause(10)
    }
  }
  const senders = Array.from({ length: 8 }, sender)
  return {
    answers,
    accepted: () => answers.filter(({ status }) => status === 200).length,
    refused: () => answers.filter(({ status }) => status !== 200).length,
    async stop() {
      isOver = true
      await Promise.all(senders)
    },
  }
}

const openAll = async () => {
  const [webhook, smtp] = [await openWebhook(), await openSmtp()]
  const app = await startOutageApp({
    url: server.url,
    schema: schemaOf(),
    webhook: webhook.url,
    smtp: smtp.url,
  })
  afterwards(app.kill)
  const arrived = () => {
    const ids = webhook.forms().map(({ message_id }) => message_id!)
    return [
      ...ids,
      ...smtp.received.map(({ mail }) => /[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/.exec(mail.text!)![0]),
    ]
  }
  await until(() => app.said('ready').length > 0, 20_000)
  const load = startLoad(app)
  await until(() => load.accepted() >= 50)
  return { app, load, webhook, arrived }
}

type All = Awaited<ReturnType<typeof openAll>>

/** Whatever was acknowledged has arrived, and the app ends as one that nothing has happened to. */
const allIsWell = async ({ app, load, arrived }: All) => {
  await load.stop()
  const acknowledged = load.answers.filter(({ status }) => status === 200).map(({ id }) => id)
  const missing = () => {
    const known = new Set(arrived())
    return acknowledged.filter((id) => !known.has(id))
  }
  await until(() => missing().length === 0, 20_000).catch(() => {})
  expect(missing()).toEqual([])
  const refused = load.answers.filter(({ status }) => status !== 200)
  expect(refused.filter(({ status, retryAfter }) => status !== 503 || !(Number(retryAfter) > 0))).toEqual([])
  expect(Math.max(...load.answers.map(({ tookMs }) => tookMs))).toBeLessThan(mostMs)
  expect(await app.close()).toEqual({ code: 0, signal: null, stderr: '' })
}

const outages = {
  stopped: { leave: () => server.stop(), back: () => server.start(), isSilent: false },
  killed: { leave: () => server.kill(), back: () => server.start(), isSilent: false },
  paused: { leave: async () => server.pause(), back: async () => server.resume(), isSilent: true },
}

test.each(Object.entries(outages))(
  'the server is %s under load and comes back',
  async (name, { leave, back, isSilent }) => {
    const all = await openAll()
    const { app, load, webhook, arrived } = all
    const refusedBefore = load.refused()
    const leftAt = performance.now()
    let isAway = true
    await leave()
    const comeBack = async () => {
      if (isAway) await back()
      isAway = false
    }
    afterwards(comeBack)
    await until(() => load.refused() >= refusedBefore + 50, 20_000)
    if (!isSilent) await until(() => app.said('cannot be used').length > 0, 20_000)
    await until(() => performance.now() - leftAt >= awayMs, 60_000)
    const asked = webhook.asked.length
    await comeBack()
    const [backAt, accepted] = [performance.now(), load.accepted()]
    await until(() => webhook.asked.length > asked, 20_000)
    const deliveredMs = performance.now() - backAt
    await until(() => load.accepted() >= accepted + 100, 20_000)
    await allIsWell(all)
    const lines = app.log.filter(({ level }) => level !== 'info')
    tell(`postgres ${name}`, {
      acknowledged: load.accepted(),
      refused: load.refused(),
      'slowest answer, ms': Math.round(Math.max(...load.answers.map(({ tookMs }) => tookMs))),
      'first delivery after, ms': Math.round(deliveredMs),
      'delivered twice': arrived().length - new Set(arrived()).size,
      'warnings and errors': lines.length,
    })
    // One for each outcome that waited, of which fifty at most are under way, and one for each part that met it.
    expect(lines.length).toBeLessThan(80)
    if (isSilent) return
    expect(app.said('cannot be used')).toMatchObject([{ details: { code: 'engine-unreachable' } }])
    expect(app.said('can be used again')).toHaveLength(1)
    expect(app.said('connections to the database were lost')).toHaveLength(1)
  },
  120_000,
)

test('every connection is cut, again and again', async () => {
  const all = await openAll()
  const { app, load } = all
  for (let n = 0; n < 4 * scale; n += 1) {
    await query(
      server.url,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
    const before = load.accepted()
    await until(() => load.accepted() >= before + 50)
  }
  await allIsWell(all)
  tell('postgres cut', { acknowledged: load.accepted(), refused: load.refused() })
  expect(app.said('connections to the database were lost')).toHaveLength(1)
}, 120_000)
