// An engine on PostgreSQL in a process of its own that opens when it is told to, with what it logs. Both sides.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../lib/clock.ts'
import { postgres } from '../../lib/engines/postgres.ts'
import type { Logger } from '../../lib/logger.ts'

export type Opening = {
  /** Resolves to what it logged, and how many events it sees then. Rejects when it could not open. */
  open(): Promise<{ logged: string[]; events: number }>
  end(): Promise<void>
}
type Answer = { error?: string; logged: string[]; events: number }

const file = fileURLToPath(import.meta.url)

/** Resolves once it has loaded everything and waits. */
export const startOpening = async (url: string, schema: string): Promise<Opening> => {
  const child = fork(file, [url, schema], { execArgv: [] })
  const ended = once(child, 'exit')
  await once(child, 'message')
  return {
    open: async () => {
      child.send('open')
      const [{ error, ...answer }] = (await Promise.race([
        once(child, 'message'),
        ended.then(() => [{ error: 'it ended' }]),
      ])) as [Answer]
      if (error) throw new Error(error)
      return answer
    },
    end: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

const serve = async (url: string, schema: string): Promise<void> => {
  const logged: string[] = []
  const log = (details: unknown, message: string) => logged.push(`${message} ${JSON.stringify(details)}`)
  const logger: Logger = { info: log, warn: log, error: log }
  const engine = postgres({ url, schema })
  process.on('message', async () => {
    try {
      await engine.open({ clock: systemClock, logger })
      process.send!({ logged, events: (await engine.counts()).events } satisfies Answer)
    } catch (error) {
      process.send!({ error: String(error), logged, events: 0 } satisfies Answer)
    }
  })
  await Promise.all([import('pg'), import('pg-boss')])
  process.send!('loaded')
}

if (process.argv[1] === file) await serve(process.argv[2]!, process.argv[3]!)
