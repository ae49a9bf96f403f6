// The composition root: an engine, the router in front of it and the dispatcher behind it, opened, wired and
// closed together.
import { z } from 'zod'
import { addressKey } from './address-key.ts'
import { systemClock } from './clock.ts'
import type { MailOutcome } from './delivery.ts'
import {
  type AcceptOptions,
  type Dispatcher,
  type DispatcherOptions,
  dispatcherShape,
  dispatcherWith,
} from './dispatcher.ts'
import type { Accepted, Counts, Engine, Filter, Found, Page } from './engine.ts'
import { sqlite } from './engines/sqlite.ts'
import { OptionsError } from './errors.ts'
import { eventSchema, type SmsEvent } from './event.ts'
import type { Gateway } from './gateway.ts'
import { createRouter, type Router } from './inbound/router.ts'
import { consoleLogger } from './logger.ts'
import { checkOptions } from './options.ts'
import { type DispatchEndpoint, type DispatchMessage, dispatchGateway } from './outbound/dispatch.ts'
import { createRetention, type RetentionOptions, retentionSchema } from './retention.ts'
import { createSignals, type On } from './signals.ts'
import { traceOf } from './trace.ts'

/** What `smshook` takes; only `fallback` must be written. */
export type SmshookOptions = Omit<DispatcherOptions, 'engine'> & {
  /** The only gateway, at the mount path itself. */
  gateway?: Gateway | undefined
  /** Several gateways, each at `<mount>/<name>`. */
  gateways?: Record<string, Gateway> | undefined
  /** Where everything rests. Default: `sqlite('./smshook.db')`. */
  engine?: Engine | undefined
  /** How long texts, files and events are kept once they are owed to nobody. Default: for ever. */
  retention?: RetentionOptions | undefined
  /** False: deliver only while `dispatcher.runDue` is called, as from cron. Default: true. */
  start?: boolean | undefined
}

const isNameless = (gateways: object): boolean => 'parse' in gateways && typeof gateways.parse === 'function'

/** What a gateway must be is known to the router. */
const optionsSchema = z
  .strictObject({
    ...dispatcherShape,
    engine: dispatcherShape.engine.optional(),
    gateway: z.unknown().optional(),
    gateways: z
      .custom<object>((value) => typeof value === 'object' && value !== null && !isNameless(value))
      .describe('an object such as { pbx: urlNetworks({ token }) }, or one of them as `gateway`')
      .optional(),
    retention: retentionSchema.optional(),
    start: z.boolean().describe('true or false').optional(),
  })
  .describe('an object such as { gateways, deliverTo, fallback }')
  .superRefine(({ gateway, gateways, deliverTo }, context) => {
    if (gateways !== undefined && Object.hasOwn(gateways, dispatchGateway)) {
      const message = 'what is given to `dispatch` has this name in the store; write another name'
      context.addIssue({ code: 'custom', path: ['gateways', dispatchGateway], message })
    }
    if (gateway !== undefined || gateways !== undefined || deliverTo === undefined) return
    const message =
      '`deliverTo` is written, but nothing comes in; write `gateways`, or `gateway` for a single one'
    context.addIssue({ code: 'custom', message })
  })

/** The whole of it: what receives, what delivers and mails, and what is done by hand. */
export type Smshook = {
  /** For `app.use`. Until the engine is open it answers 503. */
  router: Router
  /** For an app with `start: false`: `runDue` delivers and mails what is due, as from cron. */
  dispatcher: Pick<Dispatcher, 'runDue'>
  /**
   * Resolves when the engine is open and messages are taken, or when `close` was called before that; waits as long as
   * the store is away. Rejects with an OptionsError where waiting cannot help, such as a missing package.
   */
  ready: Promise<void>
  /** Watches: `sms.on('emailed', ...)`. Returns what stops it. */
  on: On
  /** Stores an event of your own with what it owes to those it concerns, as if a gateway had posted it. */
  accept(event: SmsEvent, options?: AcceptOptions): Promise<Accepted>
  /** Owes a message to a webhook and an address named now; once per message id and endpoint id. */
  dispatch(message: DispatchMessage, endpoint: DispatchEndpoint, options?: AcceptOptions): Promise<Accepted>
  /** Sends one marked mail, to the fallback's recipients or to `to`. The outcome says whether it was taken. */
  test(to?: string | string[]): Promise<MailOutcome>
  /** One event with its deliveries and their attempts, by the id of either; null when there is none. */
  find(id: string): Promise<Found | null>
  /** Deliveries, the newest first. `cursor` is the previous page's. */
  list(filter?: Filter, page?: { limit?: number; cursor?: string }): Promise<Page>
  /** How many events there are, and how many deliveries and emails in each state. */
  counts(): Promise<Counts>
  /** Starts ended deliveries anew, all tries before them again; resolves to how many that were. */
  replay(deliveryIds: string | string[]): Promise<number>
  /** Ends waiting deliveries without an email; resolves to how many that were. */
  cancel(deliveryIds: string | string[]): Promise<number>
  /**
   * Removes all that came from or went to a number or a name, what waits included, from the store and its files;
   * resolves to how many events that were. Repeats of them are still known, by a keyed hash, and not stored again.
   * Called again after it rejected, it does the rest.
   */
  erase(numbers: string | string[]): Promise<number>
  /**
   * Begins no more tries, lets those under way finish within `graceMs` (default 10,000) and closes the engine;
   * posts are answered 503 from then on.
   */
  close(graceMs?: number): Promise<void>
}

const defaultFile = './smshook.db'
const defaultPageSize = 50
/** How long to wait before an engine that did not open is opened again: the first time, and from then on. */
const reopenDelaysMs = [1_000, 5_000]

/** Checks its options at once, opens the engine in the background. Throws an OptionsError. */
export const smshook = (options: SmshookOptions): Smshook => {
  checkOptions(optionsSchema, options)
  const { gateway, gateways, retention: kept, start = true, ...rest } = options
  const { logger = consoleLogger, clock = systemClock } = options
  const signals = createSignals(logger)
  const engine = options.engine ?? sqlite(defaultFile)
  const dispatcher = dispatcherWith({ ...rest, engine }, signals)
  const retention = createRetention({ engine, retention: kept, clock, logger })
  const closing = new AbortController()

  const router: Router =
    gateway !== undefined || gateways !== undefined
      ? createRouter({
          gateway,
          gateways,
          accept: dispatcher.accept,
          quarantine: engine.quarantine,
          onRejected: (rejection) => signals.emit('rejected', rejection),
          logger,
          clock,
        })
      : (_request, _response, next) => next()

  const open = async () => {
    let told = ''
    for (let failures = 0; !closing.signal.aborted; failures += 1) {
      try {
        return await engine.open({ clock, logger })
      } catch (error) {
        const trace = traceOf(error)
        if (error instanceof OptionsError) {
          logger.error(trace, 'the store cannot be opened')
          throw error
        }
        // As often as it is tried, the same words would fill the log.
        if (told !== JSON.stringify(trace))
          logger.error(trace, 'the store cannot be opened; senders are asked to try again')
        told = JSON.stringify(trace)
        await clock.sleep(reopenDelaysMs[failures] ?? reopenDelaysMs.at(-1)!, closing.signal)
      }
    }
  }

  const announce = () => {
    const named = gateway ? [['', gateway] as const] : Object.entries(gateways ?? {})
    const addresses = named.map(([name, { tokens }]) =>
      ['https://<your host>/<mount path>', name, tokens.length > 0 && '<token>'].filter(Boolean).join('/'),
    )
    logger.info(
      { store: engine.location, addresses },
      'ready; these are the addresses to paste into the gateways',
    )
  }

  const ready = open().then(() => {
    if (closing.signal.aborted) return
    announce()
    if (!start) return
    dispatcher.start()
    retention.start()
  })
  // Whoever does not wait for it has read the log line.
  ready.catch(() => {})

  /** Bounded by `maxMs` as a whole, also while the engine does not open. */
  const runDue: Dispatcher['runDue'] = async ({ maxMs = Number.POSITIVE_INFINITY } = {}) => {
    const endsAt = clock.now() + maxMs
    const opened = new AbortController()
    await Promise.race([ready, clock.sleep(maxMs, opened.signal)])
    opened.abort()
    const done = await dispatcher.runDue({ maxMs: endsAt - clock.now() })
    await retention.run(endsAt)
    return done
  }

  const erase = async (numbers: string | string[]): Promise<number> => {
    const all = [numbers].flat()
    if (all.every((one) => typeof one === 'string' && addressKey(one) !== '')) return engine.erase(all)
    throw new OptionsError(
      'options-invalid',
      '`erase` got something other than numbers; write a number such as "+61412345678", the name of a sender, or a list of them',
    )
  }

  const close = async (graceMs?: number) => {
    closing.abort()
    await ready.catch(() => {})
    await Promise.all([dispatcher.close(graceMs), retention.stop()])
    await engine.close()
  }
  let closed: Promise<void> | null = null

  return {
    router,
    dispatcher: { runDue },
    ready,
    on: signals.on,
    accept: async (event, options) => {
      const [answer] = await dispatcher.accept([checkOptions(eventSchema, event, 'event')], options)
      return answer!
    },
    dispatch: dispatcher.dispatch,
    test: dispatcher.test,
    find: (id) => engine.find(id),
    list: (filter = {}, { limit = defaultPageSize, cursor } = {}) => engine.list(filter, { limit, cursor }),
    counts: () => engine.counts(),
    replay: (deliveryIds) => engine.replay([deliveryIds].flat()),
    cancel: (deliveryIds) => engine.cancel([deliveryIds].flat()),
    erase,
    close: (graceMs) => {
      closed ??= close(graceMs)
      return closed
    },
  }
}
