// A server that is not there yet, refuses us, or takes no writes: said in words without a password, and gone on from
// by itself once that is mended.
import { inspect } from 'node:util'
import { systemClock } from '../../lib/clock.ts'
import { postgres } from '../../lib/index.ts'
import { ownServer, query } from '../support/postgres.ts'
import { recorder } from '../support/recorder.ts'
import { afterwards, openShop, openSmtp, openWebhook, pbxForm, post, token } from '../support/shop.ts'
import { until } from '../support/until.ts'
import { startOutageApp } from './outage-app.ts'

const server = await ownServer()
afterAll(() => server.end())

test('the server comes after the app, and leaves while there is nothing to do', async () => {
  await server.stop()
  const [webhook, smtp] = [await openWebhook(), await openSmtp()]
  const app = await startOutageApp({ url: server.url, schema: 'late', webhook: webhook.url, smtp: smtp.url })
  afterwards(app.kill)
  await until(() => app.said('cannot be opened').length > 0)
  expect(await app.post('1', 'crm')).toMatchObject({
    status: 503,
    retryAfter: expect.stringMatching(/^\d+$/),
  })
  await server.start()
  await until(() => app.said('ready').length > 0)
  expect(await app.post('2', 'crm')).toMatchObject({ status: 200 })
  await until(() => webhook.asked.length === 1)
  expect(app.said('cannot be opened')).toMatchObject([{ details: { code: 'engine-unreachable' } }])
  // Nobody asks anything of its connections when they are lost.
  await server.stop()
  await until(() => app.said('cannot be used').length > 0)
  await server.start()
  await until(() => app.said('can be used again').length > 0)
  expect(await app.post('3', 'crm')).toMatchObject({ status: 200 })
  await until(() => webhook.asked.length === 2)
  expect(await app.close()).toEqual({ code: 0, signal: null, stderr: '' })
})

const secret = 'sw0rdfish'
const at = (user: string, password: string, database = 'postgres') => {
  const url = new URL(server.url)
  return `postgres://${user}:${password}@${url.host}/${database}`
}

beforeAll(() => query(server.url, `CREATE ROLE guest LOGIN PASSWORD '${secret}'`))

test.each([`a/${secret}`, `12/${secret}`, `12?${secret}`, `1#${secret}`])(
  'a password that breaks the URL is refused without saying it: %s',
  (password) => {
    const build = () => postgres({ url: at('guest', password) })
    expect(build).toThrow('the password as encodeURIComponent writes it')
    expect(build).not.toThrow(secret)
  },
)

test.each([
  [
    'a wrong password',
    () => at('postgres', secret),
    'engine-failed',
    /28P01: password authentication failed/,
  ],
  ['no such role', () => at('nobody', secret), 'engine-failed', /28P01: password authentication failed/],
  ['no such database', () => at('guest', secret, 'nowhere'), 'engine-failed', /"nowhere" does not exist/],
  ['no right to create a schema', () => at('guest', secret), 'engine-failed', /right to create schemas/],
  ['no such host', () => `postgres://guest:${secret}@host.invalid/x`, 'engine-unreachable', /host\.invalid/],
])('%s is said without the password', async (_name, urlOf, code, message) => {
  const engine = postgres({ url: urlOf() })
  const logger = recorder()
  const error = await engine.open({ clock: systemClock, logger }).catch((error: unknown) => error)
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
  const shop = await openShop({ engine: postgres({ url: urlOf() }), logger })
  await until(() => logger.lines.some(({ message }) => message.includes('cannot be opened')))
  expect(await shop.text()).toBe(503)
  await shop.sms.close()
  const everything = inspect([error, engine.location, logger.lines], { depth: null, showHidden: true })
  expect(everything).not.toContain(secret)
})

test('a database that is read only for a while', async () => {
  const webhook = await openWebhook()
  const shop = await openShop({
    engine: postgres({ url: server.url, schema: 'readonly' }),
    deliverTo: { crm: { url: webhook.url } },
  })
  await shop.sms.ready
  const said = (words: string) => shop.logger.lines.filter(({ message }) => message.includes(words))
  await query(server.url, 'ALTER DATABASE postgres SET default_transaction_read_only = on')
  // Those that were there before still write.
  await query(
    server.url,
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
  )
  await until(() => said('cannot be used').length > 0)
  const answers = await Promise.all([1, 2, 3].map(() => post(`${shop.origin}/sms/pbx/${token}`, pbxForm())))
  expect(answers.map(({ status }) => status)).toEqual([503, 503, 503])
  expect(said('cannot be used').at(-1)?.details).toMatchObject({
    code: 'engine-failed',
    reason: expect.stringContaining('takes no writes'),
  })
  await query(
    server.url,
    'BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT',
  )
  await until(async () => (await shop.text()) === 200)
  await until(() => webhook.asked.length === 1)
  await until(() => said('can be used again').length > 0)
})
