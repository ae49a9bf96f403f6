// One HTTP try of a delivery: what is posted, and what the answer makes of it. Only the first part of the
// answer is read. The HTTP itself is in exchange.ts.
import type { Clock } from '../clock.ts'
import type { Outcome } from '../delivery.ts'
import type { OutboundRequest } from '../gateway.ts'
import { createExchange, failed } from './exchange.ts'
import type { Guard } from './guard.ts'

/** Bytes of an answer that are read at the most, and that are kept. */
const mostReadBytes = 64 * 1024
const keptBytes = 1024

/** A password may hold a bare percent sign. */
const unescaped = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const authorizationOf = ({ username, password }: URL): { authorization?: string } => {
  const credentials = `${unescaped(username)}:${unescaped(password)}`
  return username || password ? { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` } : {}
}

export type WebhookTry = {
  url: string
  guarded: boolean
  request: OutboundRequest
  timeoutMs: number
  /** Breaks it off. */
  over?: AbortSignal | undefined
}
export type Webhook = { attempt(one: WebhookTry): Promise<Outcome>; close(): Promise<void> }

export const createWebhook = ({ clock, guard }: { clock: Clock; guard: Guard }): Webhook => {
  const exchange = createExchange(guard)
  return {
    attempt: async ({ url, guarded, request, timeoutMs, over }) => {
      if (!URL.canParse(url)) return failed('network', 'the URL cannot be read')
      const target = new URL(url)
      let status = 0
      let retryAfter: string | null = null
      let readBytes = 0
      const kept: Buffer[] = []
      const failure = await exchange.run({
        url: target,
        guarded,
        method: request.method,
        // What the format signs with counts for more than a password in the URL.
        headers: { 'user-agent': 'smshook', ...authorizationOf(target), ...request.headers },
        body: request.body,
        deadline: (end) => {
          const onOver = () => end('before the process ended')
          const cancelTimer = clock.after(timeoutMs, () => end(`within ${timeoutMs} ms`))
          over?.addEventListener('abort', onOver)
          return () => {
            cancelTimer()
            over?.removeEventListener('abort', onOver)
          }
        },
        onStart: (answered, headers) => {
          status = answered
          const value: string | string[] | undefined = headers['retry-after']
          retryAfter = (Array.isArray(value) ? value[0] : value)?.slice(0, 100) ?? null
          return true
        },
        onChunk: (chunk) => {
          if (readBytes < keptBytes) kept.push(chunk)
          readBytes += chunk.length
          return readBytes <= mostReadBytes
        },
      })
      if (failure !== null) return failure
      return {
        type: 'answer',
        status,
        retryAfter,
        // As a stream, since the cut may go through a character.
        excerpt: new TextDecoder().decode(Buffer.concat(kept).subarray(0, keptBytes), { stream: true }),
      }
    },
    close: exchange.close,
  }
}
