// A dispatcher on a store where deliveries are parked, in a process of its own, to be asked how long it takes and what
// it holds.
//   node parked-app.ts <file>
//   node parked-app.ts <url of PostgreSQL> <schema>
import { createDispatcher, postgres, sqlite } from 'smshook'
import { systemClock as clock } from '../../lib/clock.ts'
import { answer } from './child.ts'
import { newEvent } from './event.ts'

const [place, schema] = process.argv.slice(2) as [string, string?]
const engine = schema === undefined ? sqlite(place) : postgres({ url: place, schema })
const logger = { info: () => {}, warn: () => {}, error: console.error }
const claims: number[] = []

/** What `claim` takes is what the dispatcher waits for. */
const timed = {
  ...engine,
  claim: async (wish: Parameters<typeof engine.claim>[0]) => {
    const startedAt = performance.now()
    const claimed = await engine.claim(wish)
    claims.push(performance.now() - startedAt)
    return claimed
  },
}
const dispatcher = createDispatcher({
  engine: timed,
  deliverTo: { live: { handler: () => {} } },
  fallback: false,
  logger,
})

answer({
  /** Milliseconds from nothing to the first claim answered. */
  start: async () => {
    const startedAt = performance.now()
    await engine.open({ clock, logger })
    dispatcher.start()
    while (claims.length === 0) await new Promise((resolve) => setImmediate(resolve))
    return performance.now() - startedAt
  },
  /** Delivers so many, one after the other, and tells the milliseconds that each claim took meanwhile. */
  deliver: async (count: number) => {
    claims.length = 0
    for (let n = 0; n < count; n += 1) {
      const delivered = new Promise<void>((resolve) => {
        const stop = dispatcher.on('delivered', () => {
          stop()
          resolve()
        })
      })
      await dispatcher.accept([newEvent()])
      await delivered
    }
    return claims
  },
  memory: () => {
    gc!()
    gc!()
    return process.memoryUsage.rss()
  },
})
