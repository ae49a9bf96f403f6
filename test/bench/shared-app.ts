// One of several processes that deliver from one store, told when to begin; and the worker of pg-boss as its
// documentation shows it, with a batch at a time or as it is by default.
//   node shared-app.ts sqlite|postgres|boss|bossDefault <port of the sink> <file or URL> [<schema>]
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { createDispatcher, type Dispatcher, type Engine, postgres, type SmsEvent, sqlite } from 'smshook'
import { systemClock as clock } from '../../lib/clock.ts'
import { answer } from './child.ts'
import { batches, byFetch, concurrency, delayMs, tries } from './peers.ts'

export type SharedPeerName = 'sqlite' | 'postgres' | 'boss' | 'bossDefault'
const [name, port, place, schema = ''] = process.argv.slice(2) as [SharedPeerName, string, string, string?]
const url = `http://127.0.0.1:${port}/sms`

type SharedPeer = {
  /** Before each round. */
  prepare(): unknown
  take(count: number): Promise<void>
  start(): unknown
  /** How many are recorded as delivered since `prepare`; all processes together tell all. */
  recorded(): number | Promise<number>
  stop(): Promise<void>
}

const ours = async (engine: Engine): Promise<SharedPeer> => {
  const logger = { info: () => {}, warn: () => {}, error: console.error }
  await engine.open({ clock, logger })
  let dispatcher: Dispatcher
  let recorded = 0
  return {
    prepare: () => {
      recorded = 0
      dispatcher = createDispatcher({
        engine,
        deliverTo: { crm: { url, concurrency, policy: { tries, delaysMs: [delayMs] } } },
        fallback: false,
        concurrency,
        logger,
      })
      dispatcher.on('delivered', () => {
        recorded += 1
      })
    },
    take: async (count) => {
      for (const batch of batches(count)) await dispatcher.accept(batch)
    },
    start: () => dispatcher.start(),
    recorded: () => recorded,
    stop: () => dispatcher.close(),
  }
}

const boss = async (options: { batchSize?: number; burstWhenBatchFull?: boolean }): Promise<SharedPeer> => {
  const post = byFetch(url)
  const worker = new PgBoss({ connectionString: place, schema })
  worker.on('error', console.error)
  await worker.start()
  await worker.createQueue('sms')
  const client = new pg.Client(place)
  await client.connect()
  const completed = async (): Promise<number> => {
    const text = `SELECT count(*)::int AS n FROM ${schema}.job WHERE state = 'completed'`
    return (await client.query(text)).rows[0].n
  }
  let before = 0
  return {
    prepare: async () => {
      before = await completed()
    },
    take: async (count) => {
      for (const batch of batches(count))
        await worker.insert(
          'sms',
          batch.map((data) => ({ data, retryLimit: tries - 1, retryDelay: delayMs / 1000 })),
        )
    },
    start: () =>
      worker.work<SmsEvent>('sms', options, async (jobs) => {
        await Promise.all(jobs.map(({ data }) => post(data)))
      }),
    recorded: async () => (await completed()) - before,
    stop: () => worker.offWork('sms'),
  }
}

const peers = {
  sqlite: () => ours(sqlite(place)),
  postgres: () => ours(postgres({ url: place, schema })),
  boss: () => boss({ batchSize: concurrency, burstWhenBatchFull: true }),
  bossDefault: () => boss({}),
}
answer(await peers[name]())
