// An app on PostgreSQL in a process of its own, which nothing that befalls its database may end. What it logs and what
// a test does with it. Both sides.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import express from 'express'
import { postgres, smshook, urlNetworks } from '../../lib/index.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Line } from '../support/recorder.ts'
import { until } from '../support/until.ts'

export const lines = { crm: '+61298765401', none: '+61298765402' }

export type OutageSettings = {
  url: string
  schema: string
  webhook: string
  smtp: string
}

export type Answer = { id: string; status: number; retryAfter: string | null; tookMs: number }

export type OutageApp = {
  readonly log: readonly Line[]
  /** Those of the log with these words. */
  said(words: string): Line[]
  post(id: string, to: keyof typeof lines): Promise<Answer>
  /** Has it close; resolves to how it ended, and what it said to stderr. */
  close(): Promise<{ code: number | null; signal: string | null; stderr: string }>
  kill(): void
}

const file = fileURLToPath(import.meta.url)

/** Resolves once it listens, whether its database is there or not. */
export const startOutageApp = async (settings: OutageSettings): Promise<OutageApp> => {
  const child = fork(file, [JSON.stringify(settings)], {
    execArgv: [],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  })
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stderr }))
  const log: Line[] = []
  let port = 0
  child.on('message', (message: number | Line) => {
    if (typeof message === 'number') port = message
    else log.push(message)
  })
  await until(() => port > 0 || child.exitCode !== null)

  return {
    log,
    said: (words) => log.filter(({ message }) => message.includes(words)),
    post: async (id, to) => {
      const body = new URLSearchParams({
        service_id: '7',
        from: '+61412345678',
        sms_number: lines[to],
        body: id,
        message_id: id,
        timestamp: '1576391654',
      })
      const began = performance.now()
      const answer = await fetch(`http://127.0.0.1:${port}/sms/pbx`, { method: 'POST', body })
      await answer.text()
      const tookMs = performance.now() - began
      return { id, status: answer.status, retryAfter: answer.headers.get('retry-after'), tookMs }
    },
    close: () => {
      if (child.connected) child.send('close')
      return ended
    },
    kill: () => child.kill('SIGKILL'),
  }
}

const serve = ({ url, schema, webhook, smtp }: OutageSettings): void => {
  const log = (level: keyof Logger) => (details: Record<string, unknown>, message: string) => {
    process.send?.({ level, details, message } satisfies Line)
  }
  const sms = smshook({
    gateways: { pbx: urlNetworks({ allowUnauthenticated: true }) },
    deliverTo: { crm: { url: webhook, numbers: [lines.crm] } },
    // Each message in an email of its own, however many they are, so that each can be counted.
    fallback: { smtp, from: 'sms@example.com', to: 'owner@example.com', mailsPerHour: false },
    engine: postgres({ url, schema }),
    logger: { info: log('info'), warn: log('warn'), error: log('error') },
  })
  const app = express()
  app.use('/sms', sms.router)
  const server = createServer(app).listen(0, '127.0.0.1', () =>
    process.send!((server.address() as AddressInfo).port),
  )
  // Told to close it ends by itself, since nothing of it is left.
  process.once('message', async () => {
    await sms.close()
    server.close()
    server.closeAllConnections()
    process.disconnect()
  })
  // Never left over when the test is gone; that it was told to close disconnects it as well.
  process.once('disconnect', () => setTimeout(() => process.exit(3), 10_000).unref())
}

if (process.argv[1] === file) serve(JSON.parse(process.argv[2]!))
