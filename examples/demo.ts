// The main job, to watch: a real SMS post is stored, acknowledged, tried ten times against a dead webhook and
// arrives as an email on a real SMTP server. Everything listens on loopback only.
//   npm start              runs it and stays up        npm start -- --once   exits when the email has arrived
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { simpleParser } from 'mailparser'
import { smshook, sqlite, urlNetworks } from 'smshook'
import { SMTPServer } from 'smtp-server'

const isOnce = process.argv.includes('--once')
/** The ten tries of half an hour, in about eight seconds. */
const delaysMs = [100, 200, 400, 600, 800, 1000, 1300, 1600, 2000]
const mostWaitMs = 60_000

const say = (who: string, what: string) => console.log(`${who.padEnd(10)} ${what}`)
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`

const give = (reason: string): never => {
  console.error(`demo: ${reason}`)
  process.exit(1)
}

/** Listens on `PORT`, which must be free then, else on 3000, else on any free port. */
const listen = async (server: Server): Promise<number> => {
  const wished = process.env.PORT
  const ports = wished === undefined ? [3000, 0] : [Number(wished)]
  for (const port of ports) {
    try {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      return (server.address() as AddressInfo).port
    } catch (error) {
      if (port === ports.at(-1)) give(`cannot listen on port ${port}: ${(error as Error).message}`)
    }
  }
  return give('no port is free')
}

const mailServer = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onData: async (stream, session, done) => {
    const to = session.envelope.rcptTo.map(({ address }) => address).join(', ')
    const mail = await simpleParser(stream)
    done()
    say('mail', `the server took an email from ${mail.from?.text} to ${to}`)
    say('mail', `subject: ${mail.subject}`)
    console.log(`\n${mail.text?.replace(/^/gm, '    ')}`)
    if (isOnce) await leave()
    else invite()
  },
})
mailServer.listen(0, '127.0.0.1')
await once(mailServer.server, 'listening')
const mailPort = (mailServer.server.address() as AddressInfo).port

const app = express()
const server = createServer(app)
const port = await listen(server)
const origin = `http://127.0.0.1:${port}`
const file = join(mkdtempSync(join(tmpdir(), 'smshook-')), 'demo.db')

const sms = smshook({
  gateways: { test: urlNetworks({ allowUnauthenticated: true }) },
  deliverTo: { crm: { url: `${origin}/crm`, policy: { delaysMs } } },
  fallback: { smtp: `smtp://127.0.0.1:${mailPort}`, from: 'sms@example.com', to: 'owner@example.com' },
  engine: sqlite(file),
})

app.use('/sms', sms.router)
app.post('/crm', (_request, response) => {
  response.status(500).send('the CRM is down')
})

sms.on('stored', ({ event }) => say('stored', `event ${event.id}, message ${event.messageId}`))
sms.on('repeat', ({ event }) =>
  say('repeat', `message ${event.messageId} is stored already; nothing changed`),
)
sms.on('attempt', ({ attempt, dueAt }) => {
  const { outcome } = attempt
  const answer = outcome.type === 'answer' ? `answered ${outcome.status}` : outcome.type
  const next = dueAt === null ? 'no more tries' : `next try in ${seconds(dueAt - Date.now())}`
  say(`try ${attempt.n}`, `the webhook ${answer} after ${attempt.tookMs} ms; ${next}`)
})
sms.on('mailing', ({ to }) => say('fallback', `the message goes to ${to.join(', ')} by email`))
sms.on('failed', ({ reason }) => give(`the message reached nobody: ${reason}`))

const documentedBody = (messageId: string, timestamp: number) =>
  `service_id=YOUR_SERVICE_ID&from=YOUR_FROM_NUMBER&sms_number=YOUR_SMS_NUMBER&body=Test%20Message&message_id=${messageId}&timestamp=${timestamp}&webhook_url=https://youendpoint.com/sms/test&webhook_url_fallback=you@email.com`

const invite = () => {
  const body = documentedBody(crypto.randomUUID(), Math.floor(Date.now() / 1000))
  console.log(
    `\nStill up. Post another one, or the same one twice:\n\ncurl -i -X POST '${origin}/sms/test' --data "${body}"\n`,
  )
}

const leave = async () => {
  await sms.close()
  process.exit(0)
}

process.once('SIGINT', leave)
process.once('SIGTERM', leave)
if (isOnce) setTimeout(() => give(`no email within ${seconds(mostWaitMs)}`), mostWaitMs)

await sms.ready
say('store', file)
const body = documentedBody('297abf7f-99d9-4b7d-9c46-1d7c13687b11', 1576391654)
say('post', `POST ${origin}/sms/test`)
const startedAt = performance.now()
const headers = { 'content-type': 'application/x-www-form-urlencoded' }
const answer = await fetch(`${origin}/sms/test`, { method: 'POST', headers, body })
say('answer', `${answer.status} in ${(performance.now() - startedAt).toFixed(1)} ms`)
if (answer.status !== 200) give(`the post was answered ${answer.status}`)
