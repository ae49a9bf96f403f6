// Reads a request's body off the wire, bounded in bytes and time, or finds what an earlier body parser left
// of it; and lets the rest of an unwanted one drain away. What the bytes say is read in body.ts.
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../clock.ts'
import { EngineError, PayloadError } from '../errors.ts'
import type { Inflater } from './inflate.ts'

/** What body parsers add to a request. */
export type ParsedRequest = IncomingMessage & { body?: unknown; rawBody?: unknown }

const tooLarge = (maxBytes: number) => `the body is larger than ${maxBytes} bytes`

/** True when the headers announce a body. */
export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

/** Our choice, and what a phone manages that posts a photo from where reception is poor. */
const graceMs = 15_000
const slowestBytesPerMs = 64

/** What all requests of a router are sending at this moment, whoever sends it: nobody has proven anything yet. */
export type Reading = { bytes: number }

/** Twelve of the largest bodies of any gateway at once, or two thousand of the PBX's. */
const mostReadingBytes = 128 * 1024 * 1024

type Limits = { maxBytes: number; clock: Clock; reading: Reading }

/** Resolves with the bytes as they come; the limits hold for these. */
const receive = (request: IncomingMessage, { maxBytes, clock, reading }: Limits): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const announced = request.headers['content-length']
    const mostBytes = announced === undefined ? maxBytes : Number(announced)
    if (mostBytes > maxBytes) return reject(new PayloadError('body-too-large', tooLarge(maxBytes)))

    const chunks: Buffer[] = []
    let size = 0
    let settled = false
    const settle = (tell: () => void) => {
      if (settled) return
      settled = true
      cancel()
      reading.bytes -= size
      tell()
    }
    // Made only then: every request comes to its 'close', and an error's trace costs more than the reading.
    const fail = (code: PayloadError['code'], message: string) =>
      settle(() => reject(new PayloadError(code, message)))
    const leave = () => fail('body-aborted', 'the sender went away before the body had come')
    // Somebody has read to the end of a body in which there was nothing.
    if (request.readableEnded) return resolve(Buffer.alloc(0))
    const limitMs = graceMs + Math.ceil(mostBytes / slowestBytesPerMs)
    const cancel = clock.after(limitMs, () =>
      fail('body-timeout', `the body had not come within ${limitMs} ms`),
    )
    // A middleware that waited before it called next() may hand over a request that is gone already.
    if (request.destroyed) return leave()

    // The listeners stay: removing them costs more than it saves, and a late 'error' needs one.
    request.on('data', (data: Buffer | string) => {
      if (settled) return
      // Texts come when somebody has called setEncoding().
      const chunk = typeof data === 'string' ? Buffer.from(data, request.readableEncoding ?? 'utf8') : data
      size += chunk.length
      reading.bytes += chunk.length
      if (size > maxBytes) return fail('body-too-large', tooLarge(maxBytes))
      if (reading.bytes > mostReadingBytes) {
        const message = `more than ${mostReadingBytes} bytes of bodies are being read at once`
        return settle(() => reject(new EngineError('engine-overloaded', message)))
      }
      chunks.push(chunk)
    })
    request.on('end', () =>
      settle(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size))),
    )
    request.on('error', leave)
    request.on('close', leave)
  })

/**
 * Resolves with the whole body, its compression undone; `maxBytes` holds before and after. Rejects with a
 * PayloadError as soon as it is too large, too late, or will never come, and with an EngineError when too much is
 * being read at once.
 */
export const readBody = async (
  request: IncomingMessage,
  limits: Limits,
  inflater: Inflater,
): Promise<Buffer> => {
  const inflate = inflater(request.headers['content-encoding'])
  const bytes = await receive(request, limits)
  return inflate === null ? bytes : inflate(bytes, limits.maxBytes)
}

/** A body as it came, or (`bytes` null) as an earlier body parser read it. */
export type Body = { bytes: Buffer; parsed: undefined } | { bytes: null; parsed: unknown }

/**
 * What an earlier body parser left: the bytes where somebody kept them, else, where the bytes as they came
 * are not needed, its own reading. Null when there is neither.
 */
export const leftover = ({ rawBody, body }: ParsedRequest, needsBytes: boolean): Body | null => {
  for (const kept of [rawBody, body]) if (Buffer.isBuffer(kept)) return { bytes: kept, parsed: undefined }
  // As a text it has been through a charset, which may have been the wrong one.
  if (needsBytes) return null
  for (const text of [rawBody, body])
    if (typeof text === 'string') return { bytes: Buffer.from(text), parsed: undefined }
  return typeof body === 'object' && body !== null ? { bytes: null, parsed: body } : null
}

/** Which body parser it was, as far as what it left tells. */
export const parserOf = ({ body, headers }: ParsedRequest): string => {
  if (typeof body === 'string') return 'express.text()'
  if (typeof body !== 'object' || body === null) return 'a body parser'
  const type = headers['content-type'] ?? ''
  if (/json/i.test(type)) return 'express.json()'
  return /urlencoded/i.test(type) ? 'express.urlencoded()' : 'a body parser'
}

/**
 * Reads and drops what still comes, until it ends or `maxBytes` have come, then calls `done` once. Closing
 * a connection on a sender that still sends would reset it, and the answer would be lost on the way.
 */
export const drain = (request: IncomingMessage, maxBytes: number, done: () => void): void => {
  let size = 0
  let over = false
  const finish = () => {
    if (over) return
    over = true
    done()
  }
  if (request.complete || request.destroyed) {
    finish()
    return
  }
  request.on('data', (data: Buffer | string) => {
    size += data.length
    if (size > maxBytes) finish()
  })
  request.on('end', finish)
  request.on('error', finish)
  request.on('close', finish)
}
