// The Express apps that are compared for accepting, one a process: ours on SQLite or PostgreSQL, the same route without
// storage, with one SQLite transaction per request, and with a `send` of pg-boss.
//   node accepting-app.ts ours|postgres|plain|sqlite|boss <folder> [<url of PostgreSQL> <schema>]
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'
import express from 'express'
import { type Engine, postgres, smshook, sqlite, urlNetworks } from 'smshook'
import { z } from 'zod'
import { answer } from './child.ts'

type PeerName = 'ours' | 'postgres' | 'plain' | 'sqlite' | 'boss'
const [peer, folder, url = '', schema = ''] = process.argv.slice(2) as [PeerName, string, string?, string?]
const token = '5f1d3c0e9a7b4c2d8e6f0a1b'
const path = peer === 'ours' || peer === 'postgres' ? `/sms/pbx/${token}` : '/sms/pbx'

/** The form of the PBX, as an app would check it that has no library for it. */
const formSchema = z.object({
  service_id: z.string(),
  from: z.string(),
  sms_number: z.string(),
  body: z.string(),
  message_id: z.uuid(),
  timestamp: z.coerce.number(),
  webhook_url: z.string(),
  webhook_url_fallback: z.string(),
})
type PostedForm = z.infer<typeof formSchema>

const plainApp = (store: (form: PostedForm) => unknown) => {
  const app = express()
  app.post('/sms/pbx', express.urlencoded({ extended: false }), async (request, response) => {
    const form = formSchema.safeParse(request.body)
    if (!form.success) return void response.status(400).end()
    await store(form.data)
    response.status(200).end()
  })
  return app
}

const sqliteApp = () => {
  const db = new DatabaseSync(join(folder, 'one-by-one.db'))
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE messages (id TEXT PRIMARY KEY, state TEXT NOT NULL, message TEXT NOT NULL) STRICT`)
  const insert = db.prepare(`INSERT INTO messages VALUES (?, 'pending', ?) ON CONFLICT DO NOTHING`)
  return plainApp((form) => insert.run(form.message_id, JSON.stringify(form)))
}

const bossApp = async () => {
  const { PgBoss } = await import('pg-boss')
  const boss = new PgBoss({ connectionString: url, schema })
  boss.on('error', console.error)
  await boss.start()
  await boss.createQueue('sms')
  return plainApp((form) => boss.send('sms', form))
}

const ourApp = async (engine: Engine) => {
  const sms = smshook({
    gateways: { pbx: urlNetworks({ token }) },
    deliverTo: { crm: { url: 'http://127.0.0.1:9/sms' } },
    fallback: false,
    engine,
    start: false, // Delivering is measured by itself.
  })
  await sms.ready
  const app = express()
  app.use('/sms', sms.router)
  return app
}

const apps = {
  ours: () => ourApp(sqlite(join(folder, 'smshook.db'))),
  postgres: () => ourApp(postgres({ url, schema })),
  plain: () => plainApp(() => {}),
  sqlite: sqliteApp,
  boss: bossApp,
}
const app = await apps[peer]()
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')

/** Milliseconds between two looks at the event loop. */
const resolution = 1
let delay = monitorEventLoopDelay({ resolution })

export type Address = { port: number; path: string }

answer({
  address: (): Address => ({ port: (server.address() as AddressInfo).port, path }),
  reset: () => {
    delay.disable()
    delay = monitorEventLoopDelay({ resolution })
    delay.enable()
  },
  /** Milliseconds that a timer was late since the last `reset`, in the worst of a hundred times. */
  delayP99: () => delay.percentile(99) / 1e6 - resolution,
})
