// The PostgreSQL engine, for more than one machine: any number of processes accept and deliver. This is its face; the
// SQL lives beside it, and pg-boss hands out what is due.
import { z } from 'zod'
import { createListeners } from '../engine/listeners.ts'
import { createReadable } from '../engine/readable.ts'
import { claimOf, foundOf, mailClaimOf, pageOf } from '../engine/rows.ts'
import { createTrouble, type Trouble } from '../engine/trouble.ts'
import type { Engine, EngineContext } from '../engine.ts'
import { EngineError, OptionsError } from '../errors.ts'
import { checkOptions } from '../options.ts'
import { traceOf } from '../trace.ts'
import { engineErrorOf } from './postgres/errors.ts'
import { type Opened, openStore } from './postgres/open.ts'
import { fewestConnections, isReadable, locationOf, type PostgresPool } from './postgres/pool.ts'

/** One of `url` and `pool`. */
export type PostgresOptions = {
  /**
   * Where the database is: `postgres://user:password@host:5432/name`. Characters such as `/ ? # @ %` in the password are
   * written as `encodeURIComponent` does.
   */
  url?: string | undefined
  /** A pool of the `pg` package in place of the URL; it stays yours to end. Four connections or more. */
  pool?: PostgresPool | undefined
  /**
   * The schema of our tables, made when it is missing; pg-boss gets `<schema>_queue`. Up to 40 lower-case letters, digits
   * and `_`, not beginning with a digit or `pg_`. Default: `smshook`.
   */
  schema?: string | undefined
}

/** A client can be connected, too, and is no pool. */
const isPool = (value: unknown): boolean =>
  typeof (value as PostgresPool | null)?.connect === 'function' && !('connection' in (value as object))

export const postgresOptions = z
  .strictObject({
    url: z
      .string()
      .regex(/^postgres(ql)?:\/\//)
      .refine(isReadable)
      .describe(
        "a URL such as 'postgres://user:password@host:5432/name', the password as encodeURIComponent writes it; is DATABASE_URL set?",
      )
      .optional(),
    pool: z
      .custom<PostgresPool>(isPool)
      .refine(({ options }) => (options?.max ?? fewestConnections) >= fewestConnections)
      .describe(`a Pool of the pg package with \`max: ${fewestConnections}\` or more`)
      .optional(),
    schema: z
      .string()
      .regex(/^(?!pg_|public$)[a-z_][a-z\d_]{0,39}$/)
      .describe(
        'a name for itself, of up to 40 lower-case letters, digits and `_`, no digit and no `pg_` first',
      )
      .optional(),
  })
  .describe("{ url: 'postgres://user:password@host:5432/name' }, or { pool }")

/** Throws an OptionsError. */
export const checkedPostgres = (options: PostgresOptions): PostgresOptions & { schema: string } => {
  const { url, pool, schema = 'smshook' } = checkOptions(postgresOptions, options)
  if ((url === undefined) === (pool === undefined))
    throw new OptionsError(
      'options-invalid',
      'postgres() wants exactly one of `url` and `pool`. Write postgres({ url: process.env.DATABASE_URL }); is DATABASE_URL set?',
    )
  return { url, pool, schema }
}

/**
 * Keeps everything in a PostgreSQL database (13 or later), where any number of processes accept and deliver. Needs the
 * packages `pg` and `pg-boss`.
 *
 * Throws an OptionsError. What `open` and the calls reject with is an EngineError, but for an OptionsError when one of
 * the packages is missing.
 */
export const postgres = (options: PostgresOptions): Engine => {
  const given = checkedPostgres(options)
  const location = locationOf(given)
  let context: EngineContext | null = null
  const { onDue, tell } = createListeners(() => context?.logger)
  const readable = createReadable(location, () => context?.logger)
  let opening: Promise<void> | null = null
  let closing: Promise<void> | null = null
  let opened: Opened | null = null
  let trouble: Trouble | null = null
  const underway = new Set<Promise<unknown>>()

  const errorOf = (error: unknown) => (error instanceof OptionsError ? error : engineErrorOf(error, location))

  const start = async (using: EngineContext) => {
    try {
      opened = await openStore(given, using, {
        tell,
        onState: (error) => {
          if (error === null) trouble?.end()
          else trouble?.begin(engineErrorOf(error, location))
        },
      })
    } catch (error) {
      throw errorOf(error)
    }
  }

  const call = async <Value>(run: (store: Opened, now: number) => Promise<Value>): Promise<Value> => {
    if (closing) throw new EngineError('engine-closed', `The database ${location} was closed.`)
    if (!opened || !context)
      throw new EngineError('engine-not-ready', `The database ${location} is not open yet.`)
    const running = run(opened, context.clock.now())
    underway.add(running)
    try {
      return await running
    } catch (error) {
      throw errorOf(error)
    } finally {
      underway.delete(running)
    }
  }

  const close = async () => {
    await opening?.catch(() => {})
    await Promise.allSettled(underway)
    await opened
      ?.close()
      .catch((error) =>
        context?.logger.error(traceOf(errorOf(error)), 'what was in work could not be given back'),
      )
    opened = null
  }

  return {
    location,

    async open(using) {
      if (closing) throw new EngineError('engine-closed', `The database ${location} was closed.`)
      if (opened) return
      context = using
      trouble ??= createTrouble(location, using.logger)
      opening ??= start(using).finally(() => {
        opening = null
      })
      await opening
    },
    close() {
      closing ??= close()
      return closing
    },

    accept: (items, { client } = {}) => call((store, now) => store.accept(items, client, now)),
    claim: async (wish) => readable(await call((store, now) => store.claim(wish, now)), claimOf),
    settle: (lease, attempt, next) => call((store, now) => store.settle({ lease, attempt, next, now })),
    renew: (leases, leaseMs) => call((store, now) => store.renew(leases, leaseMs, now)),
    release: (leases) => call((store, now) => store.release(leases, now)),
    claimMails: async (wish) =>
      readable(await call((store, now) => store.claimMails(wish, now)), mailClaimOf),
    settleMail: (lease, outcome, next) =>
      call((store, now) => store.settleMail({ lease, outcome, next, now })),

    onDue,

    find: async (id) => {
      const found = await call((store) => store.find(id))
      return found && foundOf(found)
    },
    list: async (filter, { limit, cursor }) =>
      pageOf(await call((store) => store.list({ filter, limit, cursor }))),
    counts: () => call((store) => store.counts()),
    replay: (ids) => call((store, now) => store.replay(ids, now)),
    cancel: (ids) => call((store, now) => store.cancel(ids, now)),
    quarantine: (request, reason) => call((store) => store.quarantine(request, reason)),
    prune: (wish) => call((store, now) => store.prune(wish, now)),
    erase: (numbers) => call((store) => store.erase(numbers)),
  }
}
