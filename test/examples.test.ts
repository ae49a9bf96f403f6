// The examples do what they say, started as the README says.
import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { consoleLogger, sqlite, systemClock } from '../lib/index.ts'
import { type Example, freePort, startExample } from './support/example.ts'
import { listen } from './support/http-server.ts'
import { ensureBuilt } from './support/package.ts'
import { afterwards, openSmtp, pbxForm, post, tempFolder } from './support/shop.ts'
import { until } from './support/until.ts'

const waitMs = 60_000
const documentedId = '297abf7f-99d9-4b7d-9c46-1d7c13687b11'

/** The line of the PBX's own documentation, with its quotes made plain. */
const documentedCurl = (host: string, messageId = documentedId) =>
  `curl -X POST 'http://${host}/sms/test' --data "service_id=YOUR_SERVICE_ID&from=YOUR_FROM_NUMBER&sms_number=YOUR_SMS_NUMBER&body=Test%20Message&message_id=${messageId}&timestamp=1576391654&webhook_url=https://youendpoint.com/sms/test&webhook_url_fallback=you@email.com"`

/** Runs the line in a shell, or posts the same bytes where there is no curl; resolves to the status. */
const runCurl = async (line: string): Promise<number> => {
  const [, url, body] = /'(.+?)' --data "(.+)"$/.exec(line)!
  try {
    const { stdout } = await promisify(execFile)('sh', ['-c', `${line} -s -o /dev/null -w '%{http_code}'`])
    return Number(stdout)
  } catch (error) {
    if ((error as { code?: number }).code !== 127) throw error
    return (await post(url!, body)).status
  }
}

/** The status once the app answers at all and its store is open. */
const firstStatus = async (ask: () => Promise<{ status: number }>): Promise<number> => {
  let status = 0
  await until(async () => {
    status = await ask().then(
      (answer) => answer.status,
      () => 0,
    )
    return status !== 0 && status !== 503
  }, 30_000)
  return status
}

beforeAll(ensureBuilt, 120_000)

describe('the demo', () => {
  const other = createServer()
  let once: Example
  let staying: Example
  let host: string

  // Both at once, since each takes its ten tries' time.
  beforeAll(async () => {
    // Somebody else has the port that it would take by itself.
    other.on('error', () => {})
    other.listen(3000, '127.0.0.1')
    const port = await freePort()
    host = `127.0.0.1:${port}`
    once = startExample('demo.ts', { args: ['--once'] })
    staying = startExample('demo.ts', { env: { PORT: port } })
  })
  afterAll(() => other.close())

  test(
    'runs the main job and ends when the email has arrived, whoever has port 3000',
    async () => {
      expect(await once.ended).toBe(0)
      const lines = once.output.split('\n')
      const said = (word: string) => lines.filter((line) => line.startsWith(word))
      expect(said('post')).toEqual([
        expect.stringMatching(/POST http:\/\/127\.0\.0\.1:(?!3000)\d+\/sms\/test$/),
      ])
      expect(said('stored')).toEqual([expect.stringContaining(documentedId)])
      expect(said('answer')).toEqual([expect.stringMatching(/200 in \d+\.\d ms/)])
      const tries = said('try')
      expect(tries.map((line) => Number(/^try (\d+)/.exec(line)?.[1]))).toEqual([
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
      ])
      for (const line of tries)
        expect(line).toMatch(/answered 500 after \d+ ms; (next try in \d+\.\d s|no more tries)$/)
      expect(said('mail')).toEqual([
        expect.stringContaining('from sms@example.com to owner@example.com'),
        expect.stringContaining('subject: SMS from YOUR_FROM_NUMBER to YOUR_SMS_NUMBER: "Test Message"'),
      ])
      expect(lines.map((line) => line.trim())).toContain('Test Message')
      expect(lines.findIndex((line) => line.startsWith('try'))).toBeGreaterThan(
        lines.indexOf(said('stored')[0]!),
      )
    },
    waitMs,
  )

  test(
    'stays up, takes the documented line to the letter, knows a repeat and ends when asked to',
    async () => {
      await staying.says(/^answer +200/m)

      // The demo has posted this very message itself.
      expect(await runCurl(documentedCurl(host))).toBe(200)
      await staying.says(new RegExp(`^repeat +message ${documentedId}`, 'm'))

      const fresh = '11111111-2222-4333-8444-555555555555'
      expect(await runCurl(documentedCurl(host, fresh))).toBe(200)
      await staying.says(new RegExp(`^stored .*${fresh}`, 'm'))
      expect(await runCurl(documentedCurl(host, fresh))).toBe(200)
      await staying.says(new RegExp(`^repeat +message ${fresh}`, 'm'))

      // What it invites to paste works as it stands, and is another message.
      const [, line, id] = await staying.says(/^curl -i (-X POST .*message_id=([\w-]+)&.*")$/m)
      expect(id).not.toBe(documentedId)
      expect(await runCurl(`curl ${line}`)).toBe(200)
      await staying.says(new RegExp(`^stored .*${id}`, 'm'))

      staying.kill('SIGTERM')
      expect(await staying.ended).toBe(0)
    },
    waitMs,
  )

  test(
    'says what is wrong when PORT is taken, and does not end well',
    async () => {
      const other = createServer()
      const port = await listen(other)
      afterwards(() => other.close())
      const demo = startExample('demo.ts', { args: ['--once'], env: { PORT: String(port) } })
      expect(await demo.ended).toBe(1)
      expect(demo.output.trim().split('\n')).toEqual([
        expect.stringMatching(new RegExp(`^demo: cannot listen on port ${port}: .*EADDRINUSE`)),
      ])
    },
    waitMs,
  )
})

describe('the quick start', () => {
  test(
    'takes posts with the right token',
    async () => {
      const smtp = await openSmtp()
      const port = await freePort()
      const cwd = tempFolder()
      const env = { SMS_TOKEN: 'sesame', SMTP_URL: smtp.url, PORT: port }
      const app = startExample('quick-start.ts', { env, cwd })
      const address = `http://127.0.0.1:${port}/sms/pbx`
      expect(await firstStatus(() => post(`${address}/sesame`))).toBe(200)
      expect((await post(`${address}/wrong`)).status).toBe(401)
      expect((await post(address, pbxForm())).status).toBe(401)
      app.kill('SIGTERM')
      await app.ended
      expect(app.output).not.toMatch(/sesame|Error/)

      const engine = sqlite(join(cwd, 'smshook.db'))
      await engine.open({ clock: systemClock, logger: consoleLogger })
      expect((await engine.counts()).events).toBe(1)
      await engine.close()
    },
    waitMs,
  )

  test(
    'says which environment variable is missing',
    async () => {
      const app = startExample('quick-start.ts', { cwd: tempFolder(), env: { SMTP_URL: 'smtp://localhost' } })
      expect(await app.ended).toBe(1)
      expect(app.output).toContain('`token` is undefined; is SMS_TOKEN set?')
    },
    waitMs,
  )
})

test(
  'the operator owes a message to the customer of that number',
  async () => {
    const smtp = await openSmtp()
    const port = await freePort()
    const file = join(tempFolder(), 'operator.db')
    const app = startExample('operator.ts', { env: { SMTP_URL: smtp.url, PORT: port, SMS_DB: file } })
    const incoming = (to: string) =>
      fetch(`http://127.0.0.1:${port}/incoming`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ from: '+61412345678', to, text: 'Do you have roses?', messageId: 'm-1' }),
      })
    expect(await firstStatus(() => incoming('+61298765432'))).toBe(200)
    expect((await incoming('+61255550000')).status).toBe(404)
    app.kill('SIGTERM')
    await app.ended

    const engine = sqlite(file)
    await engine.open({ clock: systemClock, logger: consoleLogger })
    const { items } = await engine.list({}, { limit: 10 })
    await engine.close()
    expect(items).toMatchObject([
      {
        event: { text: 'Do you have roses?', messageId: 'm-1' },
        delivery: { endpoint: { id: 'florist', guarded: true, mailTo: ['owner@florist.example.com'] } },
      },
    ])
  },
  waitMs,
)

test(
  'the gateway of one\u2019s own takes what is signed as Twilio signs, and nothing else',
  async () => {
    const port = await freePort()
    const env = { TWILIO_AUTH_TOKEN: 'sesame', PORT: port }
    const app = startExample('own-gateway.ts', { env })
    const fields = { To: '+61298765432', Body: "It's me \u2615", MessageSid: 'SM1', From: '+61412345678' }
    const signed = `https://app.example.com/sms/twilioBody${fields.Body}From${fields.From}MessageSidSM1To${fields.To}`
    const signature = createHmac('sha1', 'sesame').update(signed).digest('base64')
    const incoming = (sent: object, headers = {}) =>
      fetch(`http://127.0.0.1:${port}/sms/twilio`, {
        method: 'POST',
        headers,
        body: new URLSearchParams({ ...sent }),
      })
    expect(await firstStatus(() => incoming(fields, { 'x-twilio-signature': signature }))).toBe(200)
    await app.says(/\+61412345678 says: It's me \u2615/)
    expect((await incoming(fields)).status).toBe(401)
    expect((await incoming({ ...fields, Body: 'x' }, { 'x-twilio-signature': signature })).status).toBe(401)
    app.kill('SIGTERM')
    await app.ended
    expect(app.output).not.toContain('sesame')
  },
  waitMs,
)
