// One HTTP try, through undici: one deadline over DNS, connect, headers and body, no redirects, no proxy
// from the environment, and only the first part of the answer is read.
import { Agent, type Dispatcher } from 'undici'
import type { Clock } from '../clock.ts'
import type { Outcome, OutcomeCode } from '../delivery.ts'
import type { OutboundRequest } from '../gateway.ts'
import type { Guard } from './guard.ts'

/** Bytes of an answer that are read at the most, and that are kept. */
const mostReadBytes = 64 * 1024
const keptBytes = 1024
/** A try that ran out of time cannot call off its connecting, which the system gives up only after minutes. */
const mostConnectMs = 30_000

const codes: Record<string, OutcomeCode> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  UND_ERR_SOCKET: 'reset',
  ENOTFOUND: 'dns',
  ETIMEDOUT: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  EBLOCKED: 'blocked',
  EPROTO: 'tls',
  UND_ERR_HEADERS_OVERFLOW: 'protocol',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'protocol',
}

type NetworkError = Error & { code?: unknown }

const codeOf = (error: NetworkError): OutcomeCode => {
  const code = String(error.code)
  if (Object.hasOwn(codes, code)) return codes[code]!
  if (code.startsWith('EAI_')) return 'dns'
  // OpenSSL's verdicts on a certificate have no prefix in common.
  if (/^ERR_(TLS|SSL)|CERT|^UNABLE_TO|^HOSTNAME_MISMATCH$|^INVALID_(CA|PURPOSE)$/.test(code)) return 'tls'
  // The parser's errors should have codes as well, but do not in undici 8.
  return error.name === 'HTTPParserError' ? 'protocol' : 'network'
}

const failed = (code: OutcomeCode, message: string): Outcome => ({
  type: 'error',
  code,
  message: message.slice(0, 300),
})

/** Several addresses that all failed make one error without words. */
const erred = (error: NetworkError): Outcome => failed(codeOf(error), error.message || String(error.code))

/** A password may hold a bare percent sign. */
const unescaped = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const splitUrl = (url: URL) => {
  const credentials = `${unescaped(url.username)}:${unescaped(url.password)}`
  return {
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    authorization:
      url.username || url.password ? `Basic ${Buffer.from(credentials).toString('base64')}` : null,
  }
}

export type WebhookTry = { url: string; guarded: boolean; request: OutboundRequest; timeoutMs: number }
export type Webhook = { attempt(one: WebhookTry): Promise<Outcome>; close(): Promise<void> }

export const createWebhook = ({ clock, guard }: { clock: Clock; guard: Guard }): Webhook => {
  // HTTP/1.1 only: one connection is one try, so that a reset harms no other.
  const shared: Agent.Options = { allowH2: false, headersTimeout: 0, bodyTimeout: 0 }
  const connect = { timeout: mostConnectMs }
  const trusted = new Agent({ ...shared, connect })
  const guarded = new Agent({ ...shared, connect: { ...connect, lookup: guard.lookup } })

  const exchange = (agent: Agent, options: Agent.DispatchOptions, timeoutMs: number) =>
    new Promise<Outcome>((resolve) => {
      let exchange: Dispatcher.DispatchController | null = null
      let status = 0
      let retryAfter: string | null = null
      let readBytes = 0
      const kept: Buffer[] = []
      let isOver = false

      const end = (outcome: Outcome) => {
        if (isOver) return
        isOver = true
        cancel()
        resolve(outcome)
      }
      const answer = (): Outcome => ({
        type: 'answer',
        status,
        retryAfter,
        // As a stream, since the cut may go through a character.
        excerpt: new TextDecoder().decode(Buffer.concat(kept).subarray(0, keptBytes), { stream: true }),
      })
      const stop = (outcome: Outcome) => {
        end(outcome)
        exchange?.abort(new Error('enough'))
      }
      const cancel = clock.after(timeoutMs, () =>
        stop(failed('timeout', `no whole answer within ${timeoutMs} ms`)),
      )

      agent.dispatch(options, {
        onRequestStart: (controller) => {
          exchange = controller
          if (isOver) controller.abort(new Error('enough'))
        },
        onResponseStart: (_controller, statusCode, headers) => {
          status = statusCode
          const value = headers['retry-after']
          retryAfter = (Array.isArray(value) ? value[0] : value)?.slice(0, 100) ?? null
        },
        onResponseData: (_controller, chunk) => {
          if (readBytes < keptBytes) kept.push(chunk)
          readBytes += chunk.length
          if (readBytes > mostReadBytes) stop(answer())
        },
        onResponseEnd: () => end(answer()),
        onResponseError: (_controller, error) => end(erred(error)),
      })
    })

  return {
    attempt: async ({ url, guarded: isGuarded, request, timeoutMs }) => {
      try {
        const target = new URL(url)
        const refusal = isGuarded ? guard.refusal(target) : null
        if (refusal !== null) return failed('blocked', refusal)
        const { origin, path, authorization } = splitUrl(target)
        const headers: Record<string, string> = { 'user-agent': 'smshook', ...request.headers }
        if (authorization !== null) headers.authorization = authorization
        const options = { origin, path, method: request.method, headers, body: request.body }
        return await exchange(isGuarded ? guarded : trusted, options, timeoutMs)
      } catch (error) {
        return failed('network', error instanceof Error ? error.message : 'the request could not be made')
      }
    },
    close: async () => {
      await Promise.all([trusted.destroy(), guarded.destroy()])
    },
  }
}
