// An app that is there to be killed: Express with smshook on SQLite or PostgreSQL, started as a process of its own by
// app-process.ts. What its webhook and its handler do is decided by the test, which both of them ask.
import { flushCompileCache } from 'node:module'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Engine } from '../../lib/engine.ts'
import { postgres, smshook, sqlite, urlNetworks } from '../../lib/index.ts'
import { type AppSettings, type Death, numbers } from './app-process.ts'

const settings = JSON.parse(process.argv[2]!) as AppSettings
const { file, outside, smtp, tries, timeoutMs, graceMs, slowness = 1 } = settings

const die = () => process.kill(process.pid, 'SIGKILL')

const deadly = ['accept', 'claim', 'settle', 'claimMails', 'settleMail'] as const

/** The engine, deadly at one moment of one call. */
const armed = (engine: Engine): Engine => {
  let { death } = settings
  let calls = 0
  process.on('message', (another: Death) => {
    death = another
    calls = 0
  })
  const within = (name: (typeof deadly)[number]) => {
    const method = engine[name] as (...given: unknown[]) => Promise<unknown>
    return async (...given: unknown[]) => {
      if (death?.call !== name) return method(...given)
      calls += 1
      if (calls !== death.nth) return method(...given)
      const { when } = death
      if (when === 'before') die()
      const answer = method(...given)
      // By then the call is with whoever writes, but not yet back.
      if (when === 'during') setImmediate(die)
      const value = await answer
      if (when === 'after') die()
      return value
    }
  }
  return { ...engine, ...Object.fromEntries(deadly.map((name) => [name, within(name)])) }
}

// Two waits in memory, then one that is parked.
const delaysMs = [5, 10, 60, 5, 10, 60, 5, 10, 60].map((ms) => ms * slowness)
const policy = { tries, delaysMs, timeoutMs }
const holdMs = 40 * slowness

const sms = smshook({
  gateways: { pbx: urlNetworks({ allowUnauthenticated: true }) },
  deliverTo: {
    crm: { url: `${outside}/crm`, numbers: [numbers.crm, numbers.both], policy },
    app: {
      handler: async ({ messageId }, { signal }) => {
        const answer = await fetch(`${outside}/app`, { method: 'POST', body: messageId, signal })
        if ((await answer.text()) === 'die') die()
        if (!answer.ok) throw new Error(`the answer was ${answer.status}`)
      },
      numbers: [numbers.app, numbers.both],
      policy,
    },
  },
  // Each message in an email of its own, however many they are, so that each can be counted.
  fallback: { smtp, from: 'sms@example.com', to: 'owner@example.com', mailsPerHour: false },
  engine: armed(/^postgres(ql)?:/.test(file) ? postgres({ url: file }) : sqlite(file)),
  holdMs,
  logger: { info: () => {}, warn: () => {}, error: (...said) => console.error(JSON.stringify(said)) },
})

const app = express()
app.use('/sms', sms.router)
app.get('/counts', async (_request, response) => response.json(await sms.counts()))
app.get('/find/:id', async ({ params }, response) => response.json(await sms.find(params.id)))
app.get('/list', async ({ query }, response) => {
  const cursor = query.cursor as string | undefined
  response.json(await sms.list({}, { limit: 200, ...(cursor && { cursor }) }))
})
const server = app.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
void sms.ready.then(() => {
  process.send!('ready')
  // Who is killed does not get to it at its end.
  flushCompileCache()
})

process.once('SIGTERM', async () => {
  process.send!('closing')
  await sms.close(graceMs)
  process.exit()
})
// Never left over when the test is gone.
process.once('disconnect', () => process.exit())
