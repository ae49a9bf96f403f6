// The outgoing half as one part: the tries in outbound/ and the emails in fallback/, which do not know each
// other, are put together here, and so is what an event is owed.
import { z } from 'zod'
import { type Clock, systemClock } from './clock.ts'
import { type Endpoint, type MailOutcome, unwantedEndpoint } from './delivery.ts'
import type { Acceptance, Accepted, Engine, HostClient } from './engine.ts'
import { OptionsError } from './errors.ts'
import type { SmsEvent } from './event.ts'
import { createFallback, type FallbackOptions, fallbackSchema } from './fallback/fallback.ts'
import { type DeliverTo, defaultFormat, formats, policies } from './formats.ts'
import { consoleLogger, type Logger } from './logger.ts'
import { checkOptions } from './options.ts'
import { type DispatchEndpoint, type DispatchMessage, endpointOf, eventOf } from './outbound/dispatch.ts'
import { createDispatcher as createTries, defaultGraceMs } from './outbound/dispatcher.ts'
import { createDownloads } from './outbound/downloads.ts'
import { createGuard, isAllowable } from './outbound/guard.ts'
import { wanting } from './outbound/select.ts'
import { createTarget, deliverToSchema, storedTarget, type Target } from './outbound/targets.ts'
import { createWebhook } from './outbound/webhook.ts'
import { createSignals, type Emit, type On } from './signals.ts'
import { traceOf } from './trace.ts'

export type DispatcherOptions = {
  /** Where deliveries rest; opened and closed by whoever made it. */
  engine: Engine
  /** Who is owed events, by a name of your choice. Default: nobody, so that every message goes by email. */
  deliverTo?: Record<string, DeliverTo> | undefined
  /** The email when the tries are spent, and for messages that nobody wants; false: there is none. */
  fallback: FallbackOptions | false
  /** Deliveries in work at once, over all endpoints. Default: 50. */
  concurrency?: number | undefined
  /** Milliseconds that a wait between two tries may take in memory; longer ones rest in the engine. Default: 15,000. */
  holdMs?: number | undefined
  /** What a URL given to `dispatch`, or that of a fetched file, may reach beside public addresses: CIDRs, addresses, host names. Default: nothing. */
  allowAddresses?: string[] | undefined
  /** Any pino-like logger. Default: warnings and errors through `console`. */
  logger?: Logger | undefined
  /** For tests. Default: the system's. */
  clock?: Clock | undefined
}

/** Shared with `smshook`, which takes the same options and a few more. */
export const dispatcherShape = {
  engine: z
    .custom<Engine>((value) => typeof (value as Engine | null)?.claim === 'function')
    .describe("an engine such as sqlite('./smshook.db')"),
  deliverTo: z
    .record(
      z.string().regex(/^[\w.-]{1,100}$/, 'name endpoints with letters, digits, `.`, `-` and `_`'),
      deliverToSchema,
    )
    .superRefine((entries, context) => {
      if (!Object.hasOwn(entries, unwantedEndpoint.id)) return
      const message = 'messages that no endpoint wants have this name in the store; write another name'
      context.addIssue({ code: 'custom', path: [unwantedEndpoint.id], message })
    })
    .describe("an object such as { crm: { url: 'https://crm.example.com/sms' } }")
    .optional(),
  fallback: z
    .union([z.literal(false), fallbackSchema])
    .describe('{ smtp, from, to }, or false when there is to be no email'),
  concurrency: z.number().int().min(1).max(10_000).describe('a whole number, 1 or more').optional(),
  holdMs: z.number().int().min(0).describe('milliseconds').optional(),
  allowAddresses: z
    .array(
      z
        .string()
        .refine(
          isAllowable,
          "write a CIDR such as '10.0.0.0/8', an address, or a host name such as 'crm.internal'",
        ),
    )
    .describe("a list such as ['10.0.0.0/8', 'crm.internal']")
    .optional(),
  logger: z
    .custom<Logger>((value) =>
      ['info', 'warn', 'error'].every((name) => typeof (value as never)?.[name] === 'function'),
    )
    .describe('a pino-like logger with info, warn and error')
    .optional(),
  clock: z
    .custom<Clock>((value) => typeof (value as Clock | null)?.now === 'function')
    .describe('a clock with now, sleep and after')
    .optional(),
}

export type AcceptOptions = {
  /**
   * A client of the `pg` package with a transaction of yours open, in the database of `postgres()`: what is accepted is
   * stored when that commits, and gone when it is rolled back. Neither `stored` nor `repeat` is signalled. As pg demands,
   * the client needs a listener of `error`.
   */
  client?: HostClient | undefined
}

export type Dispatcher = {
  /** Goes on delivering until `close`; the engine must be open. */
  start(): void
  /** Delivers and mails what is due and returns how many that were; begins nothing new after `maxMs`. */
  runDue(options?: { maxMs?: number }): Promise<number>
  /** Stores events with what they owe. Rejects with an EngineError when they are not stored. One answer for each. */
  accept(events: readonly SmsEvent[], options?: AcceptOptions): Promise<Accepted[]>
  /** Owes a message to a webhook and an email address named now. The URL passes the address guard. */
  dispatch(message: DispatchMessage, endpoint: DispatchEndpoint, options?: AcceptOptions): Promise<Accepted>
  /** Sends one marked mail now, to the fallback's recipients or to `to`. */
  test(to?: string | string[]): Promise<MailOutcome>
  /** Watches: `dispatcher.on('emailed', ...)`. Returns what stops it. */
  on: On
  /** Claims no more, lets what is under way finish within `graceMs`, gives the rest back. Default: 10,000. */
  close(graceMs?: number): Promise<void>
}

const wantsEmail = (name: string): string =>
  `\`${name}\` wants an email, but \`fallback\` is false; write fallback: { smtp, from, to }`

const needMailer = (targets: readonly Target[]): void => {
  const needy = targets.find(({ recipients }) => recipients !== null)
  if (needy) throw new OptionsError('options-invalid', wantsEmail(`deliverTo.${needy.endpoint.id}`))
}

const acceptOptionsSchema = z
  .strictObject({
    client: z
      .custom<HostClient>(
        (value) =>
          typeof (value as HostClient | null)?.query === 'function' && !('totalCount' in (value as object)),
      )
      .describe('one client of the pg package, with a transaction open: await pool.connect(), not the pool')
      .optional(),
  })
  .describe('{ client }')

const optionsSchema = z.strictObject(dispatcherShape).describe('{ engine, deliverTo, fallback }')

/** Delivers from an engine. Throws an OptionsError. */
export const createDispatcher = (options: DispatcherOptions): Dispatcher => {
  checkOptions(optionsSchema, options)
  return dispatcherWith(options, createSignals(options.logger ?? consoleLogger))
}

/** For whoever has checked the options and emits signals of their own. Throws an OptionsError. */
export const dispatcherWith = (
  options: DispatcherOptions,
  { emit, on }: { emit: Emit; on: On },
): Dispatcher => {
  const { engine, logger = consoleLogger, clock = systemClock } = options
  const guard = createGuard(options.allowAddresses)
  const webhook = createWebhook({ clock, guard })
  const downloads = createDownloads({ clock, guard })

  const tools = {
    clock,
    webhook,
    formats,
    defaultFormat,
    policies,
    mailTo: ({ mailTo }: Endpoint) => mailTo?.[0] ?? fallback?.fixedTo ?? null,
  }
  const targets = Object.entries(options.deliverTo ?? {}).map(([id, entry]) => createTarget(id, entry, tools))
  const configured = new Map(targets.map((target) => [target.endpoint.id, target]))

  /** The configuration of today where there is one, else the endpoint as it was stored. */
  const resolve = (endpoint: Endpoint): Target | null => {
    const target = endpoint.guarded ? undefined : configured.get(endpoint.id)
    return target?.endpoint.kind === endpoint.kind ? target : storedTarget(endpoint, tools)
  }

  if (options.fallback === false) needMailer(targets)
  const fallback = options.fallback
    ? createFallback({
        options: options.fallback,
        engine,
        successAt: (endpoint) => resolve(endpoint)?.policy.success ?? formats[defaultFormat].policy.success,
        current: (endpoint) => resolve(endpoint)?.endpoint ?? endpoint,
        fetchFiles: downloads.all,
        clock,
        logger,
        emit,
      })
    : null

  const tries = createTries({
    engine,
    resolve,
    targets,
    fallback: async (story) => {
      const { endpoint } = story.delivery
      const own = (endpoint.guarded ? undefined : configured.get(endpoint.id))?.recipients ?? endpoint.mailTo
      return fallback?.owe(story, own) ?? null
    },
    clock,
    logger,
    emit,
    concurrency: options.concurrency,
    holdMs: options.holdMs,
  })

  const owed = (event: SmsEvent): Endpoint[] => {
    const endpoints = wanting(targets, event).map(({ endpoint }) => endpoint)
    const isUnwanted = endpoints.length === 0 && event.type === 'message.received' && fallback !== null
    return isUnwanted ? [unwantedEndpoint] : endpoints
  }

  const announce = (event: SmsEvent, endpoints: readonly Endpoint[], answer: Accepted) => {
    if (answer === 'repeat') return emit('repeat', { event })
    emit('stored', { event, endpoints: endpoints.map(({ id }) => id) })
    if (endpoints.length > 0 || event.type !== 'message.received') return
    logger.warn({ event: event.id }, 'a message is stored, but no endpoint wants it and there is no fallback')
    emit('unrouted', { event })
  }

  const acceptAll = async (items: readonly Acceptance[], options?: AcceptOptions): Promise<Accepted[]> => {
    const answers = await engine.accept(items, options && checkOptions(acceptOptionsSchema, options))
    // Nothing is stored before the host commits, which may never come.
    if (!options?.client)
      items.forEach(({ event, endpoints }, index) => {
        announce(event, endpoints, answers[index]!)
      })
    return answers
  }

  /** Emails of an earlier configuration stay where they are while there is no mail server. */
  const warnOfWaitingMails = async () => {
    const { mails } = await engine.counts()
    if (mails.pending === 0) return
    logger.error(
      { mails: mails.pending },
      'emails wait in the store, but `fallback` is false and nobody sends them',
    )
  }

  return {
    on,
    start: () => {
      tries.start()
      if (fallback) fallback.start()
      else warnOfWaitingMails().catch((error) => logger.error(traceOf(error), 'the store cannot be read'))
    },
    runDue: async ({ maxMs = Number.POSITIVE_INFINITY } = {}) => {
      const endsAt = clock.now() + maxMs
      const deliveries = await tries.runDue({ maxMs })
      return deliveries + ((await fallback?.run(endsAt)) ?? 0)
    },
    accept: (events, options) =>
      acceptAll(
        events.map((event) => ({ event, endpoints: owed(event) })),
        options,
      ),
    dispatch: async (message, wished, options) => {
      const event = eventOf(message, clock)
      const endpoint = endpointOf(wished, event, tools)
      if (endpoint.mailTo !== null && fallback === null)
        throw new OptionsError('options-invalid', wantsEmail('endpoint.fallback'))
      const [answer] = await acceptAll([{ event, endpoints: [endpoint], join: true }], options)
      return answer!
    },
    test: async (to) => {
      if (fallback) return fallback.test(to)
      throw new OptionsError('options-invalid', '`fallback` is false, so there is no email to test')
    },
    close: async (graceMs = defaultGraceMs) => {
      await Promise.all([tries.close(graceMs), fallback?.close(graceMs)])
      await Promise.all([webhook.close(), downloads.close()])
    },
  }
}
