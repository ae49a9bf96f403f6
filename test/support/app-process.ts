// The parent's side of crash-app.ts: starts it, posts to it, asks it, ends it.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Counts, Engine, Found, Page } from '../../lib/engine.ts'

/** Our numbers: who is owed what is posted to each. Any other is nobody's, so that it goes by email. */
export const numbers = {
  crm: '+61298765401',
  app: '+61298765402',
  both: '+61298765403',
  none: '+61298765404',
}
export type Line = keyof typeof numbers

/** The process kills itself at the nth call of this engine method. */
export type Death = {
  call: keyof Pick<Engine, 'accept' | 'claim' | 'settle' | 'claimMails' | 'settleMail'>
  nth: number
  when: 'before' | 'during' | 'after'
}

export type AppSettings = {
  /** The database: a file of SQLite, or the URL of a PostgreSQL. */
  file: string
  /** Asked at `/crm` and `/app` what becomes of a try: 200 is success, `die` in an answer of `/app` is death. */
  outside: string
  smtp: string
  tries: number
  /** How long a try may take. */
  timeoutMs: number
  /** How long tries under way get to finish on SIGTERM. Default: what is the default of `close`. */
  graceMs?: number
  /** How many times longer than usual it waits between tries. Default: 1. */
  slowness?: number
  death: Death | null
}

export type Post = { id: string; line: Line; text: string }

export type AppProcess = {
  /** Resolves once it listens; rejects if it ends before. Posts are answered 503 until it is ready. */
  listening: Promise<void>
  /** Resolves once it listens and its store is open; rejects if it ends before. */
  ready: Promise<void>
  /** Resolves once it was told to end, before it does anything about it. */
  closing: Promise<void>
  /** How it ended, and what it said to stderr. */
  ended: Promise<{ signal: NodeJS.Signals | null; code: number | null; stderr: string }>
  kill(signal: NodeJS.Signals): void
  /** Another death than that of the settings, its calls counted from now on. */
  arm(death: Death): void
  /** The status; null when no answer came. */
  post(post: Post): Promise<number | null>
  counts(): Promise<Counts>
  find(id: string): Promise<Found | null>
  /** Every delivery, the newest first. */
  list(): Promise<Page['items']>
}

const alive = new Set<ChildProcess>()

/** Belongs into an `afterEach`: a test that fails would leave its app behind, and Jest waiting for it. */
export const killApps = (): void => {
  for (const child of alive) child.kill('SIGKILL')
}

// Nearly halves the time of a start, of which the tests make many.
const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'smshook-compiled') }

const path = fileURLToPath(new URL('crash-app.ts', import.meta.url))

export const startApp = (settings: AppSettings): AppProcess => {
  const child = fork(path, [JSON.stringify(settings)], {
    execArgv: [],
    env,
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  })
  alive.add(child)
  child.once('exit', () => alive.delete(child))
  let origin = ''
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stderr }))
  const said = (what: (message: unknown) => boolean) =>
    new Promise<unknown>((resolve, reject) => {
      child.on('message', (message) => what(message) && resolve(message))
      child.once('close', () => reject(new Error(`the app ended too soon: ${stderr}`)))
    })
  const listening = said((message) => typeof message === 'number').then((port) => {
    origin = `http://127.0.0.1:${port}`
  })
  const ready = Promise.all([listening, said((message) => message === 'ready')]).then(() => {})
  const closing = said((message) => message === 'closing').then(() => {})
  // Who kills it early does not care that it never came so far.
  ready.catch(() => {})
  closing.catch(() => {})

  const ask = async (question: string) => {
    const answer = await fetch(`${origin}/${question}`)
    if (!answer.ok) throw new Error(`/${question} was answered ${answer.status}: ${await answer.text()}`)
    return answer.json() as Promise<never>
  }

  return {
    listening,
    ready,
    closing,
    ended,
    kill: (signal) => child.kill(signal),
    arm: (death) => child.send(death),
    post: async ({ id, line, text }) => {
      const body = new URLSearchParams({
        service_id: '7',
        from: '+61412345678',
        sms_number: numbers[line],
        body: text,
        message_id: id,
        timestamp: '1576391654',
      })
      try {
        const answer = await fetch(`${origin}/sms/pbx`, { method: 'POST', body })
        return answer.status
      } catch {
        return null
      }
    },
    counts: () => ask('counts'),
    find: (id) => ask(`find/${encodeURIComponent(id)}`),
    list: async () => {
      const items: Page['items'] = []
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page: Page = await ask(cursor === '' ? 'list' : `list?cursor=${cursor}`)
        items.push(...page.items)
        cursor = page.cursor
      }
      return items
    },
  }
}
