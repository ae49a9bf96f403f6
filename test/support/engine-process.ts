// An engine in a process of its own, asked from the test: one that can be stopped and killed. Both sides.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../lib/clock.ts'
import type { Engine } from '../../lib/engine.ts'
import { sqlite } from '../../lib/engines/sqlite.ts'
import { consoleLogger } from '../../lib/logger.ts'

type Method = 'accept' | 'claim' | 'claimMails' | 'settle' | 'renew' | 'counts' | 'find'
type Question = { id: number; method: Method; args: unknown[] }
type Answer = { id: number; value: unknown; error?: { code: string; message: string } }

/** Its calls reject once the process is gone. */
export type EngineProcess = Pick<Engine, Method> & {
  signal(name: NodeJS.Signals): void
  readonly pid: number
  /** Its exit code and signal, once it has ended. */
  ended: Promise<unknown[]>
  /** Asks it nothing more, so that it ends by itself; its engine is not closed. */
  letGo(): void
}

const file = fileURLToPath(import.meta.url)

/** Resolves once the engine is open. */
export const startEngine = async (path: string, { isQuiet = false } = {}): Promise<EngineProcess> => {
  const child = fork(file, [path], {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['inherit', 'inherit', isQuiet ? 'ignore' : 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  let asked = 0
  child.on('message', ({ id, value, error }: Answer) => {
    const { resolve, reject } = waiting.get(id)!
    waiting.delete(id)
    if (error) reject(Object.assign(new Error(error.message), { code: error.code }))
    else resolve(value as never)
  })
  const ready = new Promise<never>((resolve, reject) => waiting.set(0, { resolve, reject }))
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`the process ended: ${code ?? signal}`))
    waiting.clear()
  })

  const method =
    (name: Method) =>
    (...args: unknown[]): Promise<never> =>
      new Promise((resolve, reject) => {
        if (!child.connected) return reject(new Error('the process has ended'))
        asked += 1
        waiting.set(asked, { resolve, reject })
        child.send({ id: asked, method: name, args } satisfies Question)
      })

  await ready
  return {
    accept: method('accept'),
    claim: method('claim'),
    claimMails: method('claimMails'),
    settle: method('settle'),
    renew: method('renew'),
    counts: method('counts'),
    find: method('find'),
    signal: (name) => child.kill(name),
    pid: child.pid!,
    ended,
    letGo: () => child.disconnect(),
  }
}

const serve = async (path: string): Promise<void> => {
  const engine = sqlite(path)
  const say = (answer: Answer) => process.send?.(answer)
  process.on('message', async ({ id, method, args }: Question) => {
    try {
      const call = engine[method] as (...args: unknown[]) => Promise<unknown>
      say({ id, value: await call(...args) })
    } catch (error) {
      const { code, message } = error as { code: string; message: string }
      say({ id, value: null, error: { code, message } })
    }
  })
  await engine.open({ clock: systemClock, logger: consoleLogger })
  say({ id: 0, value: null })
}

if (process.argv[1] === file) await serve(process.argv[2]!)
