// Takes one request for one gateway from its bytes to its answer: bound, verify, parse, accept, answer.
// Knows no Express, no engine and no gateway's name; the addresses are in router.ts.
import { randomFillSync } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { v7 } from 'uuid'
import type { Clock } from '../clock.ts'
import { OptionsError, PayloadError, VerificationError } from '../errors.ts'
import type { EventDraft, SmsEvent } from '../event.ts'
import type { Gateway } from '../gateway.ts'
import { matchesAny } from '../signature.ts'
import { ownCode, traceOf } from '../trace.ts'
import { type Answer, acknowledge, refuse, unavailable } from './answer.ts'
import { createInflater } from './inflate.ts'
import type { Notice } from './notices.ts'
import { type Body, leftover, parserOf, type Reading, readBody } from './read.ts'
import { createRedactor } from './redact.ts'
import { candidatesOf, gatewayRequest, type Place } from './request.ts'

/** A request that could not be parsed, as it is kept: tokens are cut from it. */
export type UnreadableRequest = {
  gateway: string
  method: string
  contentType: string
  body: Uint8Array
  /** ISO 8601 in UTC. */
  receivedAt: string
}

/** A request that was refused for what it was; `reason` quotes nothing of it. */
export type Rejection = { gateway: string; code: string; reason: string }

/** What the receivers of one router share. */
export type ReceiverContext = {
  accept(events: SmsEvent[]): Promise<unknown>
  quarantine: ((request: UnreadableRequest, reason: string) => Promise<unknown>) | undefined
  onRejected(rejection: Rejection): void
  /** Called when a body was read by somebody else and could be used all the same. */
  onConsumed(gateway: string): void
  notice(notice: Notice): void
  clock: Clock
  reading: Reading
}

export type Receiver = {
  gateway: Gateway
  matchesToken(candidate: string): boolean
  /** Always answers, unless the sender has gone; never rejects. */
  receive(request: IncomingMessage, response: ServerResponse, place: Place): Promise<void>
}

const statusOf = {
  'body-unreadable': 400,
  'body-too-large': 413,
  'body-encoding': 415,
  'body-timeout': 408,
  'body-aborted': 400, // Nobody is there any more to hear it.
} as const satisfies Record<PayloadError['code'], number>

// Asking the system for the randomness of each id costs more than all else about it; 256 ids at a time.
const createIds = (): ((msecs: number) => string) => {
  const pool = new Uint8Array(4_096)
  let used = pool.length
  return (msecs) => {
    if (used === pool.length) {
      randomFillSync(pool)
      used = 0
    }
    used += 16
    return v7({ msecs, random: pool.subarray(used - 16, used) })
  }
}

export const createReceiver = (name: string, gateway: Gateway, context: ReceiverContext): Receiver => {
  const { clock } = context
  const matchesToken = matchesAny(gateway.tokens)
  const redactor = createRedactor(gateway.tokens)
  const nextId = createIds()
  const inflater = createInflater()
  const limits = { maxBytes: gateway.maxBytes, clock, reading: context.reading }

  const complain = (code: string, message: string, error: unknown) =>
    context.notice({ level: 'error', gateway: name, code, message, source: null, details: traceOf(error) })

  // Spelt out, since spreading a draft takes as long as parsing it.
  const eventOf = (draft: EventDraft, now: number, receivedAt: string): SmsEvent => ({
    id: nextId(now),
    gateway: name,
    identity: draft.identity,
    type: draft.type,
    from: draft.from,
    to: draft.to,
    text: draft.text,
    media: draft.media,
    intent: draft.intent,
    encrypted: draft.encrypted,
    messageId: draft.messageId,
    reason: draft.reason,
    occurredAt: draft.occurredAt,
    receivedAt,
    notes: draft.notes,
    raw: redactor.value(draft.raw),
  })

  const verifyToken = (request: IncomingMessage, place: Place): void => {
    if (gateway.tokens.length === 0) return
    const candidates = candidatesOf(request, place, gateway.tokenHeader)
    if (candidates.some(matchesToken)) return
    if (candidates.length === 0) throw new VerificationError('token-missing', 'the request carries no token')
    throw new VerificationError('token-mismatch', 'the token of the request is none of those configured')
  }

  const bodyOf = async (request: IncomingMessage): Promise<Body> => {
    if (!request.readableDidRead)
      return { bytes: await readBody(request, limits, inflater), parsed: undefined }
    const body = leftover(request, gateway.needsBytes)
    if (body === null) {
      const lack = gateway.needsBytes ? 'what the signature was made over' : 'what was in it'
      throw new OptionsError(
        'body-consumed',
        `${parserOf(request)} in front of smshook read the body, and ${lack} is gone: mount smshook before ` +
          'express.urlencoded(), express.json() and the like, or have them keep the bytes: ' +
          'express.json({ verify: (request, _response, bytes) => { request.rawBody = bytes } })',
      )
    }
    context.onConsumed(name)
    return body
  }

  /** Keeps a request that could not be parsed, for somebody to look at. */
  const keep = async (request: IncomingMessage, { search }: Place, { bytes, parsed }: Body, now: number) => {
    // What an earlier parser read may nest deeper than can be written.
    const content = bytes ?? Buffer.from(JSON.stringify(redactor.value(parsed)))
    const unreadable: UnreadableRequest = {
      gateway: name,
      method: request.method ?? '',
      contentType: redactor.text(request.headers['content-type'] ?? ''),
      // What a GET has to say is in its query.
      body: redactor.bytes(content.length > 0 ? content : Buffer.from(search)),
      receivedAt: new Date(now).toISOString(),
    }
    await context.quarantine?.(unreadable, 'body-unreadable')
  }

  const parse = async (request: IncomingMessage, place: Place): Promise<SmsEvent[]> => {
    verifyToken(request, place)
    const body = await bodyOf(request)
    const now = clock.now()
    const seen = gatewayRequest(request, place, body, now)
    await gateway.verify(seen)
    const receivedAt = new Date(now).toISOString()
    try {
      return gateway.parse(seen).map((draft) => eventOf(draft, now, receivedAt))
    } catch (error) {
      await keep(request, place, body, now)
      if (error instanceof PayloadError) throw error
      complain('threw', 'the gateway could not parse a request and threw no PayloadError', error)
      throw new PayloadError('body-unreadable', 'the gateway could not parse it', { cause: error })
    }
  }

  const refusal = (error: PayloadError | VerificationError, { socket }: IncomingMessage): Answer => {
    const { code, message: reason } = error
    // Not what a header says, which anybody can write. Of one who has gone it is not known any more.
    const source = socket.remoteAddress ?? 'unknown'
    const message = 'refused a request'
    context.notice({ level: 'warn', gateway: name, code, message, source, details: { reason } })
    context.onRejected({ gateway: name, code, reason })
    if (error instanceof PayloadError) return { status: statusOf[error.code], code }
    if (gateway.tokens.length === 0) return { status: 401, code }
    // Some clients send the password of a URL only once they have been asked for it.
    return { status: 401, code, headers: { 'WWW-Authenticate': 'Basic realm="sms"' } }
  }

  const failure = (error: unknown, usual: 'gateway-failed' | 'engine-failed'): Answer => {
    const own = ownCode(error)
    const isSetUp = own === 'body-consumed'
    const code = isSetUp || own?.startsWith('engine-') ? own : usual
    complain(code, 'could not take a request; its sender is told to try again', error)
    return isSetUp ? { status: 500, code } : unavailable(code)
  }

  /** Null once everything in the request is stored. */
  const take = async (request: IncomingMessage, place: Place): Promise<Answer | null> => {
    let events: SmsEvent[]
    try {
      events = await parse(request, place)
    } catch (error) {
      if (error instanceof PayloadError || error instanceof VerificationError) return refusal(error, request)
      return failure(error, 'gateway-failed')
    }
    try {
      if (events.length > 0) await context.accept(events)
      return null
    } catch (error) {
      return failure(error, 'engine-failed')
    }
  }

  return {
    gateway,
    matchesToken,
    async receive(request, response, place) {
      const answer = gateway.methods.includes(request.method ?? '')
        ? await take(request, place)
        : { status: 405, code: 'method-not-allowed', headers: { Allow: gateway.methods.join(', ') } }
      if (answer) refuse(request, response, answer, clock)
      else acknowledge(response)
    },
  }
}
