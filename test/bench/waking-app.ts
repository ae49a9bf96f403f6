// A process that accepts, delivers, or both, to be asked when a message was stored and when its first try began.
//   node waking-app.ts <file>
//   node waking-app.ts <url of PostgreSQL> <schema>
import { createDispatcher, postgres, sqlite } from 'smshook'
import { systemClock as clock } from '../../lib/clock.ts'
import { answer } from './child.ts'
import { newEvent } from './event.ts'

const [place, schema] = process.argv.slice(2) as [string, string?]
const engine = schema === undefined ? sqlite(place) : postgres({ url: place, schema })
const logger = { info: () => {}, warn: () => {}, error: console.error }
await engine.open({ clock, logger })

const liveNumber = '+61298765432'
const stuckNumber = '+61298760000'
/** Events in one call, to fill a store quickly. */
const together = 100

/** Milliseconds that all processes of the machine agree on, finer than `Date.now()`. */
const now = () => performance.timeOrigin + performance.now()

const tried = new Map<string, number>()
const waiting = new Map<string, (at: number) => void>()

const dispatcher = createDispatcher({
  engine,
  deliverTo: {
    live: {
      numbers: liveNumber,
      handler: ({ identity }) => {
        const at = now()
        tried.set(identity, at)
        waiting.get(identity)?.(at)
      },
    },
    stuck: {
      numbers: stuckNumber,
      handler: () => new Promise(() => {}),
      policy: { timeoutMs: 60 * 60 * 1000 },
    },
  },
  fallback: false,
  logger,
})

export type Stored = { identity: string; begunAt: number; storedAt: number }

answer({
  start: () => dispatcher.start(),
  accept: async (): Promise<Stored> => {
    const event = newEvent(liveNumber)
    const begunAt = now()
    await dispatcher.accept([event])
    return { identity: event.identity, begunAt, storedAt: now() }
  },
  acceptStuck: async (count: number) => {
    for (let left = count; left > 0; left -= together)
      await dispatcher.accept(Array.from({ length: Math.min(left, together) }, () => newEvent(stuckNumber)))
  },
  triedAt: (identity: string) =>
    tried.get(identity) ?? new Promise<number>((resolve) => waiting.set(identity, resolve)),
})
