// What a sender is told: the status, and of a refusal the code and no more.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../clock.ts'
import { drain, hasBody } from './read.ts'

export type Answer = { status: number; code: string; headers?: Record<string, string> }

// Asks for another try soon after a restart or a moment of overload.
const retryAfterSeconds = 5

export const unavailable = (code: string): Answer => ({
  status: 503,
  code,
  headers: { 'Retry-After': String(retryAfterSeconds) },
})

const stored = { 'Cache-Control': 'no-store', 'Content-Length': '0' }

const isOver = (response: ServerResponse): boolean => response.headersSent || response.destroyed

/** Exactly 200 and nothing else: one of the gateways counts 201, 202 and 204 as failures. */
export const acknowledge = (response: ServerResponse): void => {
  // The sender may have gone, or a time limit of the host app may have answered first.
  if (isOver(response)) return
  response.writeHead(200, stored).end()
}

// Enough for the largest body of any gateway, so that a sender who is a little over the limit hears so.
const drainBytes = 16 * 1024 * 1024
const drainMs = 5_000

/** Answers with the code. What is left of the body is drained, within bounds, before the connection closes. */
export const refuse = (
  request: IncomingMessage,
  response: ServerResponse,
  { status, code, headers }: Answer,
  clock: Clock,
): void => {
  if (isOver(response)) return
  const text = request.method === 'HEAD' ? '' : code
  const isWhole = request.complete || !hasBody(request)
  response.writeHead(status, {
    'Cache-Control': 'no-store',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(code.length),
    ...headers,
    ...(isWhole ? {} : { Connection: 'close' }),
  })
  // One who was too slow already is not waited for a second time.
  if (isWhole || status === 408) {
    response.end(text)
    return
  }
  response.write(text)
  const cancel = clock.after(drainMs, () => response.end())
  drain(request, drainBytes, () => {
    cancel()
    response.end()
  })
}
