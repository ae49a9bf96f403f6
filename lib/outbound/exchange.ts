// One HTTP exchange, through undici: no redirects, no proxy from the environment, one deadline over DNS,
// connect, headers and body. How much of an answer is read, and what it means, is the caller's.
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, type Dispatcher } from 'undici'
import type { Outcome, OutcomeCode } from '../delivery.ts'
import type { Guard } from './guard.ts'

/** A try that ran out of time cannot call off its connecting, which the system gives up only after minutes. */
const mostConnectMs = 30_000

/** A server hints at a few things, or says every few seconds that it is still at work. Our choice. */
const mostInterim = 100

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

type NetworkError = Error & { code?: unknown; reason?: unknown }

const codeOf = (error: NetworkError): OutcomeCode => {
  const code = String(error.code)
  if (Object.hasOwn(codes, code)) return codes[code]!
  if (code.startsWith('EAI_')) return 'dns'
  // Node's own verdict on a certificate, where the other TLS errors are about something else.
  if (code.startsWith('ERR_TLS_CERT_')) return 'certificate'
  if (/^ERR_(TLS|SSL)_/.test(code)) return 'tls'
  // OpenSSL's verdicts on a certificate have no prefix in common.
  if (/CERT|^CRL_|^UNABLE_TO|^HOSTNAME_MISMATCH$|^INVALID_(CA|PURPOSE)$/.test(code)) return 'certificate'
  // The parser's errors should have codes as well, but do not in undici 8.
  return error.name === 'HTTPParserError' ? 'protocol' : 'network'
}

export type Failure = Extract<Outcome, { type: 'error' }>

export const failed = (code: OutcomeCode, message: string): Failure => ({
  type: 'error',
  code,
  message: message.slice(0, 300),
})

/** What undici says of 1xx answers, which it takes for broken connections. */
const unasked: Record<string, string> = {
  'bad response': 'it sent `100 Continue`, which was not asked for',
  'bad upgrade': 'it switches to a protocol that was not asked for',
}

/** `status` is that of an answer which had begun, or 0. */
const erred = (error: NetworkError, status: number): Failure => {
  if (Object.hasOwn(unasked, error.message)) return failed('protocol', unasked[error.message]!)
  const code = codeOf(error)
  // OpenSSL's message is mostly about its own source, and several addresses that all failed make one error
  // without words.
  const words = String((code === 'tls' && error.reason) || error.message || error.code)
  return failed(code, status === 0 ? words : `it answered ${status}, then: ${words}`)
}

export type Wish = {
  /** Its credentials are not sent. */
  url: URL
  /** Whether the address guard judges it, as it must when the URL arrived as data. */
  guarded: boolean
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body: string | null
  /** Is given what ends the exchange as a timeout, and is told how long it had; returns what cancels that. */
  deadline(over: (limit: string) => void): () => void
  /** The status has come. False ends the exchange with it. */
  onStart(status: number, headers: IncomingHttpHeaders): boolean
  /** False ends the exchange; the answer counts all the same. */
  onChunk(chunk: Buffer): boolean
}

export type Exchange = {
  /** Null once there is an answer, whole or as much of it as was wished for. Never rejects. */
  run(wish: Wish): Promise<Failure | null>
  close(): Promise<void>
}

export const createExchange = (guard: Guard): Exchange => {
  // HTTP/1.1 only: one connection is one try, so that a reset harms no other.
  const shared: Agent.Options = { allowH2: false, headersTimeout: 0, bodyTimeout: 0 }
  const connect = { timeout: mostConnectMs }
  const trusted = new Agent({ ...shared, connect })
  const guarded = new Agent({ ...shared, connect: { ...connect, lookup: guard.lookup } })

  const dispatch = (agent: Agent, options: Agent.DispatchOptions, wish: Wish) =>
    new Promise<Failure | null>((resolve) => {
      let controller: Dispatcher.DispatchController | null = null
      let isOver = false
      let answered = 0
      let interim = 0

      const end = (result: Failure | null) => {
        if (isOver) return
        isOver = true
        cancel()
        resolve(result)
      }
      const stop = (result: Failure | null) => {
        end(result)
        controller?.abort(new Error('enough'))
      }
      const lateness = (limit: string): string => {
        if (controller === null) return `no connection ${limit}`
        return answered === 0 ? `no answer ${limit}` : `it answered ${answered}, but not to the end ${limit}`
      }
      const cancel = wish.deadline((limit) => stop(failed('timeout', lateness(limit))))

      agent.dispatch(options, {
        onRequestStart: (started) => {
          controller = started
          if (isOver) started.abort(new Error('enough'))
        },
        onResponseStart: (_controller, status, headers) => {
          // Interim answers are not the answer.
          if (status < 200) {
            interim += 1
            if (interim > mostInterim) stop(failed('protocol', `more than ${mostInterim} interim answers`))
            return
          }
          answered = status
          if (!wish.onStart(status, headers)) stop(null)
        },
        onResponseData: (_controller, chunk) => {
          if (!isOver && !wish.onChunk(chunk)) stop(null)
        },
        onResponseEnd: () => end(null),
        onResponseError: (_controller, error) => end(erred(error, answered)),
      })
    })

  return {
    run: async (wish) => {
      const { url, method, headers, body } = wish
      try {
        const refusal = wish.guarded ? guard.refusal(url) : null
        if (refusal !== null) return failed('blocked', refusal)
        const path = `${url.pathname}${url.search}`
        const options = { origin: url.origin, path, method, headers, body }
        return await dispatch(wish.guarded ? guarded : trusted, options, wish)
      } catch (error) {
        return failed('network', error instanceof Error ? error.message : 'the request could not be made')
      }
    },
    close: async () => {
      await Promise.all([trusted.destroy(), guarded.destroy()])
    },
  }
}
