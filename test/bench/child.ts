// Processes of a bench and what is said to them: a question by name, an answer. Used on both sides. What a
// child's processor time was is known here, since every part wants to know it.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

type Question = { id: number; name: string; input: unknown }
type Answer = { id: number; value: unknown } | { id: number; error: string }

export type Child = {
  ask<T>(name: string, input?: unknown): Promise<T>
  end(): Promise<void>
}

/** Starts `file` of this folder with `gc()` at hand and resolves once it answers. */
export const startChild = async (file: string, args: readonly string[] = []): Promise<Child> => {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child = fork(path, args, { execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'] })
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  let asked = 0

  child.on('message', (answer: Answer) => {
    const { resolve, reject } = waiting.get(answer.id)!
    waiting.delete(answer.id)
    if ('error' in answer) reject(new Error(`${file}: ${answer.error}`))
    else resolve(answer.value as never)
  })
  child.on('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${file} ended with ${code}`))
  })

  const ask: Child['ask'] = (name, input) =>
    new Promise((resolve, reject) => {
      asked += 1
      waiting.set(asked, { resolve, reject })
      child.send({ id: asked, name, input } satisfies Question)
    })
  await ask('ready')
  return {
    ask,
    end: async () => {
      if (child.exitCode !== null) return
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

/** Processor time in microseconds since the last `reset`: of the thread that answers, and of all threads. */
export type Cpu = { host: number; all: number }

const sum = ({ user, system }: { user: number; system: number }): number => user + system

/**
 * The child's side: what it can be asked beside `reset` and `cpu`. It ends with its parent, or when its parent
 * lets go of it.
 */
export const answer = (answers: Record<string, (input: never) => unknown>): void => {
  let whole = process.cpuUsage()
  let thread = process.threadCpuUsage()
  const all: typeof answers = {
    ready: () => null,
    cpu: (): Cpu => ({ host: sum(process.threadCpuUsage(thread)), all: sum(process.cpuUsage(whole)) }),
    ...answers,
    reset: () => {
      whole = process.cpuUsage()
      thread = process.threadCpuUsage()
      answers.reset?.(null as never)
    },
  }
  process.on('disconnect', () => process.exit())
  process.on('message', async ({ id, name, input }: Question) => {
    try {
      const value = await all[name]!(input as never)
      process.send!({ id, value: value ?? null } satisfies Answer)
    } catch (error) {
      process.send!({ id, error: String(error) } satisfies Answer)
    }
  })
}
