// The promises of every engine, kept by PostgreSQL: each in a schema of its own, in time that is turned by hand.
import type { Engine } from '../../lib/engine.ts'
import { postgres } from '../../lib/engines/postgres.ts'
import { manualClock, settled } from '../support/manual-clock.ts'
import { sharedServer } from '../support/postgres.ts'
import { databaseClock, manualUrl } from '../support/postgres-clock.ts'
import { recorder } from '../support/recorder.ts'
import { until } from '../support/until.ts'
import { conformance } from './conformance.ts'

const server = await sharedServer()

const longestSteppedMs = 120_000
/** Less than an engine has to show that it lives, and than it waits for an answer. */
const stepMs = 2000

const start = async () => {
  const schema = server.freshSchema()
  const hands = manualClock()
  let leaptMs = 0
  const clock = { ...hands, now: () => hands.now() + leaptMs }
  const database = await databaseClock(server.url, `${schema.name}_queue`, clock.now())
  const url = manualUrl(server.url, schema.name)
  const engines: Engine[] = []
  const another = () => {
    const engine = postgres({ url, schema: schema.name })
    engines.push(engine)
    return engine
  }
  const open = (engine: Engine) => engine.open({ clock, logger: recorder() })
  const engine = another()
  await open(engine)

  // What a timer began is answered by the server: the next may not fire before that.
  const quiet = () =>
    until(async () => {
      for (let looks = 0; looks < 2; looks += 1) {
        await settled()
        if (!(await database.isQuiet(schema.name))) return false
      }
      return true
    })
  const step = async (ms: number) => {
    await database.set(clock.now() + ms)
    await hands.advance(ms)
    await quiet()
  }
  return {
    engine,
    now: clock.now,
    // Hours of the engines' looking every second would take minutes.
    advance: async (ms: number) => {
      const steppedMs = Math.min(ms, longestSteppedMs)
      leaptMs += ms - steppedMs
      for (let left = steppedMs; left > 0; left -= stepMs) await step(Math.min(left, stepMs))
    },
    another,
    open,
    end: async () => {
      await Promise.all(engines.map((one) => one.close()))
      await database.end()
      await schema.drop()
    },
  }
}

conformance('postgres', start)
