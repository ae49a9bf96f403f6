// The move from the SQLite file to PostgreSQL: what is read out of the one is written into the other. How, is said in
// the engines.
import { z } from 'zod'
import { type Clock, systemClock } from './clock.ts'
import type { Copied, SliceSize } from './engine/copied.ts'
import { importFrom } from './engines/postgres/import.ts'
import { checkedPostgres, type PostgresOptions, postgresOptions } from './engines/postgres.ts'
import { consoleLogger, type Logger } from './logger.ts'
import { checkOptions } from './options.ts'

export type CopyOptions = PostgresOptions & {
  /** The SQLite file, as it was given to `sqlite()`. */
  file: string
  /** Hears of what goes wrong on the way. Default: the console. */
  logger?: Logger | undefined
}

const optionsSchema = postgresOptions
  .extend({
    file: z.string().min(1).describe("the SQLite file, such as './smshook.db'"),
    logger: z
      .custom<Logger>((value) => typeof (value as Logger | null)?.warn === 'function')
      .describe('a pino-like logger')
      .optional(),
  })
  .describe("{ file: './smshook.db', url: 'postgres://user:password@host:5432/name' }")

/** A file of events with large media would not fit into memory, nor a long transaction into others' patience. */
const sliceSize: SliceSize = { rows: 500, bytes: 8 * 2 ** 20 }

/** `copyToPostgres` with its time and the size of its slices as parameters. */
export const copyWith = async (clock: Clock, size: SliceSize, options: CopyOptions): Promise<Copied> => {
  const { file, logger = consoleLogger, ...target } = checkOptions(optionsSchema, options)
  const given = checkedPostgres(target)
  // Only here: importing the package loads no database.
  const { openExport } = await import('./engines/sqlite/export.ts')
  const source = openExport(file, clock, size)
  try {
    return await importFrom(given, { clock, logger }, source)
  } finally {
    source.close()
  }
}

/**
 * Copies all that a SQLite file holds into a PostgreSQL database: events, deliveries with their tries, emails,
 * requests in quarantine, and what tells a repeat, also of events that were pruned or erased. What waits goes on
 * there, each at its time; engines may be at work on the database already. The ids of events stay, those of
 * deliveries and emails are new.
 *
 * What the database has already is left as it is, so an interrupted copy is simply done again, as is one after which
 * the file got more. Do so within days: what was pruned there since is known as a repeat for a week.
 *
 * Nobody may deliver from the file meanwhile, and this process sees to that; nor may anybody afterwards. A process that
 * merely accepts into the file cannot be kept out: stop it first, or copy once more when it has stopped. The file is
 * looked through for damage and brought up to date as by `sqlite()`, and stays as it is otherwise. It is read on this
 * thread: run it in a process of its own if the file is large.
 *
 * Rejects with an EngineError when one of the two cannot be opened, fails or is in use, and with an OptionsError.
 */
export const copyToPostgres = (options: CopyOptions): Promise<Copied> =>
  copyWith(systemClock, sliceSize, options)
