// Engines on one schema of PostgreSQL, as in as many processes: opened here, and ended after the test.
import type { Clock } from '../../lib/clock.ts'
import { systemClock } from '../../lib/clock.ts'
import { createDispatcher, type DispatcherOptions } from '../../lib/dispatcher.ts'
import type { Engine } from '../../lib/engine.ts'
import { postgres } from '../../lib/engines/postgres.ts'
import { query, type SharedServer } from './postgres.ts'
import { recorder } from './recorder.ts'
import { watch } from './watch.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

type Using = { url?: string; clock?: Clock }

/** A fresh schema, dropped after the test. */
export const onFreshSchema = ({ url: own, freshSchema }: SharedServer) => {
  const schema = freshSchema()
  closing.push(schema.drop)

  /** An engine that is open, with the log that it writes. */
  const engine = async ({ url = own, clock = systemClock }: Using = {}) => {
    const logger = recorder()
    const opened: Engine = postgres({ url, schema: schema.name })
    closing.push(() => opened.close())
    await opened.open({ clock, logger })
    return { ...opened, logger }
  }

  return {
    name: schema.name,
    query: <Row extends object>(text: string, values?: unknown[]) =>
      query<Row & Record<string, unknown>>(own, text, values),
    engine,
    /** One that delivers from an engine of its own, as a process does. It has no email unless one is given. */
    process: async (
      { url, clock, ...options }: Using & Partial<DispatcherOptions> = {},
      { isStarted = true } = {},
    ) => {
      const own = await engine({ ...(url && { url }), ...(clock && { clock }) })
      const dispatcher = createDispatcher({
        fallback: false,
        logger: own.logger,
        ...(clock && { clock }),
        ...options,
        engine: own,
      })
      closing.push(() => dispatcher.close(0))
      const signals = watch(dispatcher.on)
      if (isStarted) dispatcher.start()
      return { engine: own, dispatcher, signals, logger: own.logger }
    },
  }
}
