// A message that kills the process that handles it, and a process that is asked to end: what counts as an
// interruption, and what comes of ten.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AppProcess, type AppSettings, killApps, type Post, startApp } from '../support/app-process.ts'
import { type HttpServer, startHttp } from '../support/http-server.ts'
import { type Smtp, startSmtp } from '../support/smtp.ts'
import { until } from '../support/until.ts'
import { snapshot } from './snapshot.ts'

const post = (text: string): Post => ({ id: randomUUID(), line: 'app', text })

let folder: string
let outside: HttpServer
let smtp: Smtp
let onAsked: (messageId: string, response: ServerResponse) => void
let settings: AppSettings

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'smshook-killer-'))
  outside = await startHttp(({ body }, response) => onAsked(body, response))
  smtp = await startSmtp()
  settings = {
    file: join(folder, 'sms.db'),
    outside: outside.url,
    smtp: smtp.url,
    tries: 10,
    timeoutMs: 20_000,
    death: null,
  }
})

afterEach(async () => {
  killApps()
  await outside.close()
  await smtp.close()
  rmSync(folder, { recursive: true })
})

const start = async (): Promise<AppProcess> => {
  const app = startApp(settings)
  await app.ready
  return app
}

const isOver = async (app: AppProcess): Promise<boolean> => {
  const { deliveries, mails } = await app.counts()
  return deliveries.pending + deliveries.mailing + mails.pending === 0
}

const stop = async (app: AppProcess): Promise<void> => {
  app.kill('SIGTERM')
  expect(await app.ended).toEqual({ code: 0, signal: null, stderr: '' })
}

/** Every delivery with its attempts, by message id. */
const deliveriesOf = async (app: AppProcess) => {
  const items = await app.list()
  const found = await Promise.all(items.map(({ delivery }) => app.find(delivery.id)))
  return new Map(found.map((one) => [one!.event.identity, one!.deliveries[0]!]))
}

const calls = (messageId: string) => outside.asked.filter(({ body }) => body === messageId).length

test('a message that kills its handler ten times arrives as an email that says so', async () => {
  const killer = post('the text that kills')
  onAsked = (messageId, response) => {
    if (messageId === killer.id) response.end('die')
    // The others take longer than the killer leaves them: they die with it when they are tried beside it.
    else setTimeout(() => response.end('well'), 100)
  }
  const others = Array.from({ length: 12 }, (_, n) => post(`other ${n}`))
  const unsaid = [others[0]!, killer, ...others.slice(1)]

  for (let life = 1; life <= 10; life += 1) {
    const app = await start()
    // A post that gets no 200 is made again in the next life, as a gateway does it.
    while (unsaid.length > 0 && (await app.post(unsaid[0]!)) === 200) unsaid.shift()
    expect(await app.ended).toMatchObject({ signal: 'SIGKILL' })
    expect(calls(killer.id)).toBe(life)
  }

  const app = await start()
  for (const one of unsaid) expect(await app.post(one)).toBe(200)
  await until(() => isOver(app))
  const { mail } = await smtp.next()
  const deliveries = await deliveriesOf(app)
  await stop(app)

  expect(deliveries.get(killer.id)).toMatchObject({
    delivery: { state: 'emailed', reason: 'interrupted', tries: 0, interruptions: 10 },
    attempts: [],
  })
  expect(calls(killer.id)).toBe(10)
  expect(mail.text).toContain('the text that kills')
  expect(mail.text).toContain('stopped 10 times while it handled this one')

  expect(smtp.received.map(({ mail }) => mail.subject)).toHaveLength(1)
  for (const { id } of others) {
    const { delivery } = deliveries.get(id)!
    expect(delivery).toMatchObject({ state: 'delivered', tries: 1 })
    // Who met the killer twice is not tried beside it a third time.
    expect(delivery.interruptions).toBeLessThanOrEqual(2)
  }
}, 60_000)

test('a close lets go of all that is under way, and counts no interruption', async () => {
  const posts = Array.from({ length: 5 }, (_, n) => post(`held ${n}`))
  const held: ServerResponse[] = []
  onAsked = (_messageId, response) => held.push(response)
  settings.graceMs = 0
  const first = await start()
  for (const one of posts) expect(await first.post(one)).toBe(200)
  await until(() => held.length === posts.length)
  first.kill('SIGKILL')
  await first.ended

  // Now all of them are claimed at once.
  const second = await start()
  await until(() => held.length === 2 * posts.length)
  second.kill('SIGTERM')
  expect(await second.ended).toMatchObject({ code: 0, signal: null })
  expect(snapshot(settings.file).deliveries).toEqual([])

  onAsked = (_messageId, response) => response.end('well')
  const third = await start()
  await until(() => isOver(third))
  const deliveries = await deliveriesOf(third)
  await stop(third)
  for (const { delivery, attempts } of deliveries.values()) {
    expect(delivery).toMatchObject({ state: 'delivered', tries: 1, interruptions: 1 })
    expect(attempts).toHaveLength(1)
  }
})
