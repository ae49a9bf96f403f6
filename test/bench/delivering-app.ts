// What is compared for delivering and for waiting, one a process: our dispatcher on its store, and the usual
// queue in memory.
//   node delivering-app.ts ours|memory <folder> <port of the sink>
import { join } from 'node:path'
import PQueue from 'p-queue'
import pRetry from 'p-retry'
import { createDispatcher, type Dispatcher, type SmsEvent, sqlite } from 'smshook'
import { systemClock as clock } from '../../lib/clock.ts'
import { answer } from './child.ts'
import { newEvent } from './event.ts'

const [peer, folder, port] = process.argv.slice(2) as [string, string, string]
const url = `http://127.0.0.1:${port}/sms`
const concurrency = 50
const tries = 10
/** A second try comes long after the figures are taken. */
const delayMs = 6 * 60 * 60 * 1000

type Peer = {
  /** Takes events, without trying any yet. */
  take(count: number): Promise<unknown> | unknown
  /** Resolves when `count` of the first tries have come to an end as they should. */
  work(count: number, end: 'delivered' | 'waiting'): Promise<unknown>
}

/** Events in one call of `accept`, to fill the store quickly. */
const together = 100

const ours = async (): Promise<Peer> => {
  const engine = sqlite(join(folder, `${peer}.db`))
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
      for (let taken = 0; taken < count; taken += together)
        await dispatcher.accept(Array.from({ length: together }, newEvent))
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

const memory = (): Peer => {
  const queue = new PQueue({ concurrency })
  let events: SmsEvent[] = []

  const post = async ({ from, to, text, messageId }: SmsEvent) => {
    const body = new URLSearchParams({
      service_id: '12345',
      from: from!.raw,
      sms_number: to!.raw,
      body: text!,
      message_id: messageId!,
      timestamp: '1576391654',
      webhook_url: url,
      webhook_url_fallback: 'owner@example.com',
    })
    const response = await fetch(url, { method: 'POST', body })
    await response.text()
    if (response.status !== 200) throw new Error(`answered ${response.status}`)
  }

  return {
    take: (count) => {
      events = Array.from({ length: count }, newEvent)
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

const tried = peer === 'ours' ? await ours() : memory()

answer({
  take: (count: number) => tried.take(count),
  work: async ({ count, end }: { count: number; end: 'delivered' | 'waiting' }) => {
    const startedAt = performance.now()
    await tried.work(count, end)
    return performance.now() - startedAt
  },
  /** Bytes that the process holds once all garbage is collected. */
  memory: () => {
    gc!()
    gc!()
    return process.memoryUsage.rss()
  },
})
