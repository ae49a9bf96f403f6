// An example as somebody would start it, in a process of its own, with what it says.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { listen } from './http-server.ts'
import { root } from './package.ts'
import { until } from './until.ts'

/** A port that was free a moment ago. */
export const freePort = async (): Promise<string> => {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return String(port)
}

const running = new Set<ChildProcess>()

afterAll(() => {
  for (const child of running) child.kill('SIGKILL')
})

type Settings = { args?: string[]; env?: Record<string, string>; cwd?: string }

export type Example = ReturnType<typeof startExample>

export const startExample = (name: string, { args = [], env = {}, cwd = root }: Settings = {}) => {
  const { PORT: _, ...inherited } = process.env
  const child = spawn(process.execPath, [join(root, 'examples', name), ...args], {
    cwd,
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  running.add(child)
  child.once('close', () => running.delete(child))
  return {
    get output() {
      return output
    },
    /** The first match in what it has said, once there is one. */
    says: async (pattern: RegExp): Promise<RegExpExecArray> => {
      await until(() => pattern.test(output), 30_000).catch(() => {
        throw new Error(`it never said ${pattern}, but:\n${output}`)
      })
      return pattern.exec(output)!
    },
    /** Its exit code; null when a signal ended it. */
    ended,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
  }
}
