// A process is asked to end while posts arrive and all it may try at once is under way: it begins nothing new, what
// ends within the grace counts, the rest is given back, and the next process goes on with it first.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AppProcess, killApps, startApp } from '../support/app-process.ts'
import { type Asked, startHttp } from '../support/http-server.ts'
import { startSmtp } from '../support/smtp.ts'
import { scale, tell } from '../support/torture.ts'
import { until } from '../support/until.ts'
import { snapshot } from './snapshot.ts'

const backlog = 60 * scale
/** Two endpoints, ten tries each. */
const atOnce = 20
const finished = 6

/** Which endpoint was tried with which message. */
const nameOf = ({ path, body }: Asked): string =>
  path === '/crm' ? `crm ${new URLSearchParams(body).get('message_id')}` : `app ${body}`

/** Posts one after the other until the app is gone; resolves to what was acknowledged. */
const posting = async (app: AppProcess, most = Number.POSITIVE_INFINITY): Promise<string[]> => {
  const acknowledged: string[] = []
  for (let n = 0; n < most; n += 1) {
    const id = randomUUID()
    const status = await app.post({ id, line: 'both', text: `text ${n}` })
    if (status === 200) acknowledged.push(id)
    if (status === null) break
  }
  return acknowledged
}

test(
  'a process that is asked to end under load',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'smshook-shutdown-'))
    const held: { name: string; response: ServerResponse }[] = []
    let isHolding = true
    const outside = await startHttp((asked, response) => {
      if (isHolding) held.push({ name: nameOf(asked), response })
      else response.end('well')
    })
    const smtp = await startSmtp()
    const settings = {
      file: join(folder, 'sms.db'),
      outside: outside.url,
      smtp: smtp.url,
      tries: 10,
      timeoutMs: 60_000,
      graceMs: 1_000,
      death: null,
    }
    try {
      const first = startApp(settings)
      await first.ready
      const before = await posting(first, backlog)
      expect(before).toHaveLength(backlog)
      await until(() => held.length === atOnce)
      const under = Promise.all([posting(first), posting(first), posting(first)])
      first.kill('SIGTERM')
      await first.closing
      for (const { response } of held.slice(0, finished)) response.end('well')
      // Posts that come when the store is closed already are answered 503, and that is logged.
      expect(await first.ended).toMatchObject({ code: 0, signal: null })
      const acknowledged = [...before, ...(await under).flat()]

      // The places that came free were not given to any of those that wait.
      const begun = outside.asked.length - atOnce
      expect(begun).toBe(0)
      expect(snapshot(settings.file).deliveries).toEqual([])

      isHolding = false
      const second = startApp(settings)
      await second.ready
      await until(async () => (await second.counts()).deliveries.pending === 0, 30_000)
      const again = outside.asked.slice(atOnce).map(nameOf)
      const interrupted = held.slice(finished).map(({ name }) => name)
      expect(again.slice(0, atOnce)).toEqual(expect.arrayContaining(interrupted))
      // Once each, but for what was given back in mid-try.
      expect([...again, ...held.slice(0, finished).map(({ name }) => name)].sort()).toEqual(
        acknowledged.flatMap((id) => [`app ${id}`, `crm ${id}`]).sort(),
      )
      const items = await second.list()
      for (const { delivery } of items)
        expect(delivery).toMatchObject({ state: 'delivered', tries: 1, interruptions: 0 })
      expect(new Set(items.map(({ event }) => event.identity))).toEqual(new Set(acknowledged))
      second.kill('SIGTERM')
      expect(await second.ended).toEqual({ code: 0, signal: null, stderr: '' })
      tell('shutdown', {
        acknowledged: acknowledged.length,
        'of these while it ended': acknowledged.length - backlog,
        'tries under way': atOnce,
        'ended in the grace': finished,
        'given back': interrupted.length,
        'begun after SIGTERM': begun,
      })
    } finally {
      killApps()
      await outside.close()
      await smtp.close()
      rmSync(folder, { recursive: true })
    }
  },
  60_000 + scale * 10_000,
)
