// Who delivers: our dispatcher on its store, and what else is used for it. Each takes events without trying any yet,
// then works.
import { join } from 'node:path'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import PQueue from 'p-queue'
import pRetry from 'p-retry'
import { createDispatcher, type Dispatcher, type SmsEvent, sqlite } from 'smshook'
import { Agent, request } from 'undici'
import { systemClock as clock } from '../../lib/clock.ts'
import { newEvent } from './event.ts'

export const concurrency = 50
export const tries = 10
/** A second try comes long after the figures are taken. */
export const delayMs = 6 * 60 * 60 * 1000
/** Events in one call, to fill a store quickly. */
const together = 100

export type End = 'delivered' | 'waiting'
export type Peer = {
  take(count: number): Promise<unknown> | unknown
  /** Resolves when `count` of the first tries have come to an end as they should. */
  work(count: number, end: End): Promise<unknown>
}
export type Place = { folder: string; url: string; redisPort: number }

const formOf = ({ from, to, text, messageId }: SmsEvent, url: string) =>
  new URLSearchParams({
    service_id: '12345',
    from: from!.raw,
    sms_number: to!.raw,
    body: text!,
    message_id: messageId!,
    timestamp: '1576391654',
    webhook_url: url,
    webhook_url_fallback: 'owner@example.com',
  })

const wanted = (status: number) => {
  if (status !== 200) throw new Error(`answered ${status}`)
}

type Post = (event: SmsEvent) => Promise<void>

export const byFetch =
  (url: string): Post =>
  async (event) => {
    const response = await fetch(url, { method: 'POST', body: formOf(event, url) })
    await response.text()
    wanted(response.status)
  }

const byUndici = (url: string): Post => {
  const dispatcher = new Agent({ connections: concurrency })
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return async (event) => {
    const { statusCode, body } = await request(url, {
      method: 'POST',
      headers,
      body: formOf(event, url).toString(),
      dispatcher,
    })
    await body.dump()
    wanted(statusCode)
  }
}

export const batches = (count: number): SmsEvent[][] =>
  Array.from({ length: Math.ceil(count / together) }, () =>
    Array.from({ length: together }, () => newEvent()),
  )

const ours = async ({ folder, url }: Place): Promise<Peer> => {
  const engine = sqlite(join(folder, 'ours.db'))
  const logger = { info: () => {}, warn: () => {}, error: console.error }
  await engine.open({ clock, logger })
  const create = () =>
    createDispatcher({
      engine,
      deliverTo: { crm: { url, concurrency, policy: { tries, delaysMs: [delayMs] } } },
      fallback: false,
      concurrency,
      logger,
    })
  let dispatcher: Dispatcher | null = null
  return {
    take: async (count) => {
      await dispatcher?.close()
      dispatcher = create()
      for (const batch of batches(count)) await dispatcher.accept(batch)
    },
    work: (count, end) =>
      new Promise<void>((resolve) => {
        let seen = 0
        dispatcher!.on('attempt', ({ dueAt }) => {
          if ((dueAt === null) === (end === 'delivered')) seen += 1
          if (seen === count) resolve()
        })
        dispatcher!.start()
        if (count === 0) resolve()
      }),
  }
}

/** The usual queue in memory. */
const memory = ({ url }: Place): Peer => {
  const post = byFetch(url)
  const queue = new PQueue({ concurrency })
  let events: SmsEvent[] = []
  return {
    take: (count) => {
      events = batches(count).flat()
    },
    work: (_count, end) => {
      // A slot of the queue is not held over the wait: a dead endpoint would stall all others.
      const deliver = (event: SmsEvent, onFailedAttempt: () => void) =>
        pRetry(() => queue.add(() => post(event)), {
          retries: tries - 1,
          minTimeout: delayMs,
          factor: 1,
          onFailedAttempt,
        })
      const working = events.map(
        (event) =>
          new Promise<void>((resolve, reject) => {
            const delivered = deliver(event, () => end === 'waiting' && resolve())
            delivered.then(() => resolve(), reject)
          }),
      )
      events = []
      return Promise.all(working)
    },
  }
}

/** The usual queue on a server, recording what was done as ours does. */
const bullmq =
  (how: (url: string) => Post) =>
  ({ url, redisPort }: Place): Peer => {
    const post = how(url)
    const connection = () => new Redis({ host: '127.0.0.1', port: redisPort, maxRetriesPerRequest: null })
    const name = `sms-${process.pid}`
    const queue = new Queue<SmsEvent>(name, { connection: connection() })
    const opts = { attempts: tries, backoff: { type: 'fixed', delay: delayMs } } as const
    return {
      take: async (count) => {
        for (const batch of batches(count))
          await queue.addBulk(batch.map((data) => ({ name: 'sms', data, opts })))
      },
      work: async (count, end) => {
        const worker = new Worker<SmsEvent>(name, ({ data }) => post(data), {
          connection: connection(),
          concurrency,
          autorun: false,
        })
        const done = new Promise<void>((resolve) => {
          let seen = 0
          worker.on(end === 'delivered' ? 'completed' : 'failed', () => {
            seen += 1
            if (seen === count) resolve()
          })
        })
        void worker.run()
        await done
        await worker.close()
      },
    }
  }

/** Nothing but the requests: nothing stored, nothing recorded, nothing tried again. */
const bare = ({ url }: Place): Peer => {
  const post = byUndici(url)
  let events: SmsEvent[] = []
  return {
    take: (count) => {
      events = batches(count).flat()
    },
    work: async () => {
      const rest = events.values()
      const lane = async () => {
        for (const event of rest) await post(event)
      }
      await Promise.all(Array.from({ length: concurrency }, lane))
    },
  }
}

export const peers = { ours, memory, bullmqFetch: bullmq(byFetch), bullmqUndici: bullmq(byUndici), bare }
export type PeerName = keyof typeof peers
