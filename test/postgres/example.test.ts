// The example with PostgreSQL does what it says, in two copies.
import { consoleLogger, postgres, systemClock } from '../../lib/index.ts'
import { type Example, freePort, startExample } from '../support/example.ts'
import { ensureBuilt } from '../support/package.ts'
import { ownServer, query } from '../support/postgres.ts'
import { afterwards, openSmtp, openWebhook, pbxForm, post } from '../support/shop.ts'
import { until } from '../support/until.ts'

const waitMs = 60_000

beforeAll(ensureBuilt, 120_000)

const isUp = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    () => false,
  )

const start = async (env: Record<string, string>): Promise<{ app: Example; url: string }> => {
  const port = await freePort()
  const app = startExample('postgres.ts', { env: { ...env, PORT: port } })
  const url = `http://127.0.0.1:${port}`
  await until(() => isUp(url), 30_000).catch(() => {
    throw new Error(app.output)
  })
  return { app, url }
}

test(
  'both copies receive, one of them delivers, and a row of the host is stored with what is owed for it',
  async () => {
    const server = await ownServer()
    afterwards(server.end)
    const [smtp, crm] = await Promise.all([openSmtp(), openWebhook()])
    await query(server.url, 'CREATE TABLE callbacks (number text NOT NULL)')
    const env = {
      DATABASE_URL: server.url,
      SMTP_URL: smtp.url,
      SMS_TOKEN: 'a-long-random-token',
      CRM_URL: crm.url,
    }
    const copies = await Promise.all([start(env), start(env)])

    const ids = ['297abf7f-99d9-4b7d-9c46-1d7c13687b11', '297abf7f-99d9-4b7d-9c46-1d7c13687b12']
    for (const { url } of copies)
      for (const message_id of ids) {
        const answer = await post(`${url}/sms/pbx/a-long-random-token`, pbxForm({ message_id }))
        expect(answer.status).toBe(200)
      }
    await until(() => crm.asked.length === 2, 30_000)
    expect(crm.forms().map(({ message_id }) => message_id)).toEqual(expect.arrayContaining(ids))

    const callback = (body: URLSearchParams) => fetch(`${copies[0]!.url}/callbacks`, { method: 'POST', body })
    expect((await callback(new URLSearchParams({ number: '+61412345678' }))).status).toBe(201)
    expect((await callback(new URLSearchParams())).status).toBe(500)
    for (const { app } of copies) app.kill('SIGTERM')
    await Promise.all(copies.map(({ app }) => app.ended))

    expect(await query(server.url, 'SELECT number FROM callbacks')).toEqual([{ number: '+61412345678' }])
    const engine = postgres({ url: server.url })
    await engine.open({ clock: systemClock, logger: consoleLogger })
    const owed = await engine.list({ endpoint: 'callbacks' }, { limit: 10 })
    expect(owed.items).toMatchObject([
      { event: { text: 'Please call me back', from: { raw: '+61412345678' } } },
    ])
    expect(await engine.counts()).toMatchObject({ events: 3, deliveries: { delivered: 2 } })
    await engine.close()
  },
  waitMs,
)
