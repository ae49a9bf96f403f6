// Three times as many posts as can be stored: what waits is bounded, whoever is refused hears so at once, what was
// acknowledged is stored, and after the flood everything is taken again.
import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Engine } from '../../lib/engine.ts'
import { sqliteOn } from '../../lib/engines/sqlite.ts'
import { smshook, urlNetworks } from '../../lib/index.ts'
import { recorder } from '../support/recorder.ts'
import { afterwards, openApp, pbxForm, tempFolder } from '../support/shop.ts'
import { slowWorker } from '../support/slow-worker.ts'
import { scale, tell } from '../support/torture.ts'

const seconds = 4 * scale
// A disk that stores about 400 a second, which leaves the processor to those who post.
const disk = { commitMs: 20, eventMs: 2 }
const together = 50

type Answered = { id: string; status: number; tookMs: number; retryAfter: string | undefined }

/** The engine, and how many events have waited for it at once. */
const counting = (engine: Engine) => {
  const seen = { waiting: 0, most: 0 }
  const accept: Engine['accept'] = async (items) => {
    seen.waiting += 1
    seen.most = Math.max(seen.most, seen.waiting)
    try {
      return await engine.accept(items)
    } finally {
      seen.waiting -= 1
    }
  }
  return { engine: { ...engine, accept }, seen }
}

const open = async () => {
  const { engine, seen } = counting(sqliteOn(slowWorker(disk), join(tempFolder(), 'sms.db')))
  const gateways = { pbx: urlNetworks({ allowUnauthenticated: true }) }
  const deliverTo = { crm: { url: 'http://127.0.0.1:9/sms' } }
  const sms = smshook({ gateways, deliverTo, fallback: false, engine, logger: recorder(), start: false })
  afterwards(() => sms.close())
  await sms.ready
  const origin = await openApp((app) => app.use('/sms', sms.router))
  const agent = new Agent({ keepAlive: true })
  afterwards(() => agent.destroy())

  /** `since` is when it should have been posted. */
  const post = (since = performance.now()) =>
    new Promise<Answered>((resolve, reject) => {
      const id = randomUUID()
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const outgoing = request(`${origin}/sms/pbx`, { method: 'POST', agent, headers }, (response) => {
        const { statusCode: status = 0, headers } = response
        const tookMs = performance.now() - since
        response.resume().on('end', () => resolve({ id, status, tookMs, retryAfter: headers['retry-after'] }))
      })
      outgoing.on('error', reject).end(String(pbxForm({ message_id: id })))
    })
  return { sms, seen, post }
}
type Post = Awaited<ReturnType<typeof open>>['post']

/** Posts so many a second, whatever is answered. */
const flood = async (post: Post, perSecond: number): Promise<Answered[]> => {
  const startedAt = performance.now()
  const answers: Promise<Answered>[] = []
  for (let elapsed = 0; elapsed < seconds * 1_000; elapsed = performance.now() - startedAt) {
    while (answers.length < (elapsed * perSecond) / 1_000)
      answers.push(post(startedAt + (answers.length * 1_000) / perSecond))
    await pause(1)
  }
  return Promise.all(answers)
}

/** How many a second are stored when each who posts waits for the answer. */
const sustainable = async (post: Post): Promise<number> => {
  const startedAt = performance.now()
  let done = 0
  const posting = async () => {
    while (performance.now() - startedAt < 1_500) {
      expect((await post()).status).toBe(200)
      done += 1
    }
  }
  await Promise.all(Array.from({ length: together }, posting))
  return (done * 1_000) / (performance.now() - startedAt)
}

const percentile = (values: readonly number[], share: number): number =>
  Math.round(values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? 0)

test(
  'three times more posts than can be stored',
  async () => {
    const { sms, seen, post } = await open()
    const rate = await sustainable(post)
    const before = (await sms.counts()).events
    const answers = await flood(post, 3 * rate)

    const taken = answers.filter(({ status }) => status === 200)
    const refused = answers.filter(({ status }) => status === 503)
    const times = (some: Answered[]) => some.map(({ tookMs }) => tookMs)
    tell('flood of posts', {
      'stored a second': Math.round(rate),
      posted: answers.length,
      taken: taken.length,
      'p99 ms': percentile(times(taken), 0.99),
      'longest ms': percentile(times(taken), 1),
      refused: refused.length,
      'refused p99 ms': percentile(times(refused), 0.99),
      'most waiting': seen.most,
    })
    expect(taken.length + refused.length).toBe(answers.length)
    expect(refused.map(({ retryAfter }) => retryAfter)).toEqual(refused.map(() => '5'))
    // It was a flood, and the disk was kept busy by it.
    expect(refused.length).toBeGreaterThan(answers.length / 10)
    expect(taken.length).toBeGreaterThan(answers.length / 8)
    // Without a bound, two of three would be waiting at the end.
    expect(seen.most).toBeLessThan(answers.length / 3)

    // Acknowledged means stored, and refused means not.
    expect((await sms.counts()).events).toBe(before + taken.length)
    const stored = new Set<string>()
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await sms.list({}, { limit: 1_000, ...(cursor && { cursor }) })
      for (const { event } of page.items) stored.add(event.identity)
      cursor = page.cursor
    }
    expect(taken.filter(({ id }) => !stored.has(id))).toEqual([])
    expect(refused.filter(({ id }) => stored.has(id))).toEqual([])

    const afterwards = await Promise.all(Array.from({ length: together }, () => post()))
    expect(afterwards.map(({ status }) => status)).toEqual(afterwards.map(() => 200))
  },
  60_000 + seconds * 10_000,
)
