// The face towards Express: which requests are for which gateway; all others go on to the host app.
// A plain middleware over node:http, so that Express 4 and 5 and Connect can mount it alike.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { type Clock, systemClock } from '../clock.ts'
import type { SmsEvent } from '../event.ts'
import type { Gateway } from '../gateway.ts'
import { consoleLogger, type Logger } from '../logger.ts'
import { checkOptions } from '../options.ts'
import { traceOf } from '../trace.ts'
import { createNotices } from './notices.ts'
import {
  createReceiver,
  type Receiver,
  type ReceiverContext,
  type Rejection,
  type UnreadableRequest,
} from './receiver.ts'
import type { Place } from './request.ts'

export type { Rejection, UnreadableRequest } from './receiver.ts'

export type RouterOptions = {
  /** The only gateway, at the mount path itself. */
  gateway?: Gateway | undefined
  /** Several gateways, each at `<mount>/<name>`. */
  gateways?: Readonly<Record<string, Gateway>> | undefined
  /**
   * Stores what one request said; called once per request. The sender gets its 200 only once it resolved,
   * and a 503 with `Retry-After` if it rejects.
   */
  accept(events: SmsEvent[]): Promise<unknown>
  /** Keeps a request that proved where it came from but could not be parsed. Default: it is not kept. */
  quarantine?: ((request: UnreadableRequest, reason: string) => Promise<unknown>) | undefined
  /** Called for each request that is refused for what it is: 400, 401, 408, 413, 415. For watching only. */
  onRejected?: ((rejection: Rejection) => void) | undefined
  /** Default: warnings and errors through `console`. */
  logger?: Logger | undefined
  clock?: Clock | undefined
}

/** Fits `app.use()` of Express 4.18 and later, 5, and Connect. */
export type Router = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

const isFunction = (value: unknown): boolean => typeof value === 'function'
const isGateway = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && isFunction((value as Partial<Gateway>).parse)
const isLogger = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && isFunction((value as Partial<Logger>).warn)

// Letters that mean themselves in a path.
const nameSchema = z.string().regex(/^[\w-]+$/)
const gatewaySchema = z.custom<Gateway>(isGateway, 'write what the function of a gateway returns')

const optionsSchema = z
  .strictObject({
    gateway: gatewaySchema.optional(),
    gateways: z.record(z.string(), gatewaySchema).optional(),
    accept: z.custom(isFunction, 'write an async function that stores the events it is given'),
    quarantine: z.custom(isFunction, 'write an async function, or leave it out').optional(),
    onRejected: z.custom(isFunction, 'write a function, or leave it out').optional(),
    logger: z.custom(isLogger, 'write a logger with info, warn and error, or leave it out').optional(),
    clock: z.unknown().optional(),
  })
  .superRefine(({ gateway, gateways }, context) => {
    const fault = (message: string) => context.addIssue({ code: 'custom', message })
    const names = Object.keys(gateways ?? {})
    if (gateway && gateways) fault('both `gateway` and `gateways` are given; write one of them')
    else if (!gateway && names.length === 0)
      fault('there is no gateway; write `gateway` for a single one, or `gateways` with a name for each')
    for (const name of names.filter((name) => !nameSchema.safeParse(name).success))
      fault(`the gateway name ${JSON.stringify(name)} cannot stand in a URL; use letters, digits, - and _`)
  })

const decodeSegment = (segment: string): string => {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** The path segments, a slash at the end aside, and the query with its `?`. */
const split = (url: string): { segments: string[]; search: string } => {
  // A proxy may send the absolute form, `http://host/path` (RFC 9112, 3.2.2).
  const path = url.startsWith('/') ? url : url.replace(/^[a-z]+:\/\/[^/?]*/i, '')
  const mark = path.indexOf('?')
  const end = mark < 0 ? path.length : mark
  const segments = path.slice(1, path[end - 1] === '/' ? end - 1 : end).split('/')
  return { segments: segments[0] === '' && segments.length === 1 ? [] : segments, search: path.slice(end) }
}

type Visit = { receiver: Receiver; place: Place }

const routeByName =
  (receivers: ReadonlyMap<string, Receiver>) =>
  (request: IncomingMessage): Visit | null => {
    const { segments, search } = split(request.url ?? '/')
    const [name, token, ...more] = segments.map(decodeSegment)
    const receiver = name === undefined || more.length > 0 ? undefined : receivers.get(name)
    if (!receiver || (token !== undefined && receiver.gateway.tokens.length === 0)) return null
    return { receiver, place: { token: token ?? null, search } }
  }

const routeToOne =
  (receiver: Receiver) =>
  (request: IncomingMessage): Visit | null => {
    const { segments, search } = split(request.url ?? '/')
    const [token, ...more] = segments.map(decodeSegment)
    if (token === undefined) return { receiver, place: { token: null, search } }
    if (more.length > 0 || receiver.gateway.tokens.length === 0) return null
    // A segment that is no token may just as well be a path of the host app.
    const isMountedAtRoot = (request as { originalUrl?: string }).originalUrl === request.url
    const isPost = receiver.gateway.methods.includes(request.method ?? '')
    if (!receiver.matchesToken(token) && (isMountedAtRoot || !isPost)) return null
    return { receiver, place: { token, search } }
  }

/**
 * The router by itself, for those who store events in their own way. Throws an OptionsError. Mount it before
 * any body parser.
 */
export const createRouter = (options: RouterOptions): Router => {
  checkOptions(optionsSchema, options)
  const { gateway, gateways, accept, quarantine, onRejected } = options
  const { logger = consoleLogger, clock = systemClock } = options
  const notice = createNotices(logger, clock)
  let hasWarned = false

  const context: ReceiverContext = {
    accept,
    quarantine,
    notice,
    clock,
    reading: { bytes: 0 },
    // As an async function, so that one that rejects does not end the host's process either.
    onRejected: (rejection) => {
      const called = (async () => onRejected?.(rejection))()
      called.catch((error: unknown) => logger.error(traceOf(error), 'onRejected threw'))
    },
    onConsumed: (name) => {
      if (hasWarned) return
      hasWarned = true
      logger.warn(
        { gateway: name, code: 'body-consumed' },
        'a body parser in front of smshook read the body of a request; mount smshook before ' +
          'express.urlencoded(), express.json() and the like, so that it gets the bytes as they came',
      )
    },
  }

  const route = gateway
    ? routeToOne(createReceiver(gateway.kind, gateway, context))
    : routeByName(
        new Map(
          Object.entries(gateways ?? {}).map(([name, each]) => [name, createReceiver(name, each, context)]),
        ),
      )

  return (request, response, next) => {
    const visit = route(request)
    if (!visit) return next()
    visit.receiver.receive(request, response, visit.place).catch(next)
  }
}
