// A mail that the process dies over whenever it is sent: it ends, and takes no other mail with it.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { killApps, type Post, startApp } from '../support/app-process.ts'
import { startSmtp } from '../support/smtp.ts'
import { until } from '../support/until.ts'

afterEach(killApps)

const post = (text: string): Post => ({ id: randomUUID(), line: 'none', text })

test('ten times, then it has failed; the others are sent', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'smshook-mail-killer-'))
  const smtp = await startSmtp({ holds: 'kills' })
  const start = async () => {
    const app = startApp({
      file: join(folder, 'sms.db'),
      outside: 'http://127.0.0.1:9',
      smtp: smtp.url,
      tries: 1,
      timeoutMs: 1_000,
      death: null,
    })
    await app.ready
    return app
  }
  const killer = post('the text that kills')
  const unsaid = [post('other 0'), killer, ...Array.from({ length: 8 }, (_, n) => post(`other ${n + 1}`))]

  for (let life = 1; life <= 10; life += 1) {
    const app = await start()
    while (unsaid.length > 0 && (await app.post(unsaid[0]!)) === 200) unsaid.shift()
    await until(() => smtp.holding === life)
    app.kill('SIGKILL')
    await app.ended
  }

  const app = await start()
  await until(async () => (await app.counts()).mails.pending === 0)
  const items = await app.list()
  const dead = await app.find(items.find(({ event }) => event.identity === killer.id)!.delivery.id)
  app.kill('SIGTERM')
  const { stderr } = await app.ended
  expect(dead!.deliveries[0]).toMatchObject({
    delivery: { state: 'failed', reason: 'mail-failed' },
    mail: { state: 'failed', interruptions: 10, outcome: { code: 'interrupted' } },
  })
  expect(stderr).toContain('could not be sent')
  expect(stderr).not.toContain('kills')
  expect(smtp.holding).toBe(10)

  for (const { event, delivery } of items.filter(({ event }) => event.identity !== killer.id)) {
    expect(delivery.state).toBe('emailed')
    expect(smtp.received.some(({ mail }) => mail.text!.includes(event.text!))).toBe(true)
  }
  await smtp.behave('accept')
  await until(() => smtp.received.filter(({ raw }) => raw.includes('kills')).length === 10)
  const forms = smtp.received
    .filter(({ raw }) => raw.includes('kills'))
    .map(({ mail }) => mail.html !== false)
  expect(forms.filter((isWhole) => isWhole)).toHaveLength(3)
  await smtp.close()
  rmSync(folder, { recursive: true })
}, 60_000)
