// Writes what another store held into ours: each slice at once or not at all, with the entries of what waits in it,
// and so that it may be done again from the start at any time.
import type { Copied, CopiedRepeat, CopiedSlice, CopySource } from '../../engine/copied.ts'
import type { EngineContext } from '../../engine.ts'
import { OptionsError } from '../../errors.ts'
import { traceOf } from '../../trace.ts'
import { engineErrorOf } from './errors.ts'
import { column, putDeliveries, putEvents, type Turn } from './import-events.ts'
import { putMails } from './import-mails.ts'
import { openPlace } from './place.ts'
import { locationOf, openPool, type Pool, type PostgresPool } from './pool.ts'
import { insertRequests } from './quarantine.ts'
import type { Store } from './store.ts'

type Given = { url?: string | undefined; pool?: PostgresPool | undefined; schema: string }
type Table = keyof Copied

const putRepeats = async (
  { tx, store: { schema } }: Turn,
  rows: readonly CopiedRepeat[],
): Promise<number> => {
  const inserted = await tx.query(
    `INSERT INTO ${schema}.repeats (hash, stored_at) SELECT * FROM unnest($1::bytea[], $2::double precision[])
     ON CONFLICT DO NOTHING`,
    [column(rows, ({ hash }) => Buffer.from(hash)), column(rows, ({ storedAt }) => storedAt)],
  )
  return inserted.rowCount!
}

/** How many of each are new. */
const putSlice = async (turn: Turn, slice: CopiedSlice): Promise<Record<Table, number>> => {
  const { repeats = [], events = [], deliveries = [], mails = [], requests = [] } = slice
  const put = async <Row>(
    rows: readonly Row[],
    putRows: (turn: Turn, rows: readonly Row[]) => Promise<number>,
  ) => (rows.length > 0 ? putRows(turn, rows) : 0)
  const there = await putEvents(turn, events)
  return {
    repeats: await put(repeats, putRepeats),
    events: there.copied,
    deliveries: await put(deliveries, (_, rows) => putDeliveries(turn, rows, there.events)),
    mails: await put(mails, putMails),
    requests: await put(requests, ({ tx, store }, rows) => insertRequests(tx, store, rows)),
  }
}

const lengthOf = (table: Table, slice: CopiedSlice): number =>
  table === 'events'
    ? (slice.events ?? []).filter(({ isAgain }) => !isAgain).length
    : (slice[table] ?? []).length

const putAll = async (store: Store, source: CopySource): Promise<Copied> => {
  const { pool, schema, clock } = store
  const tables: Table[] = ['events', 'deliveries', 'mails', 'requests', 'repeats']
  const copied = Object.fromEntries(tables.map((table) => [table, { copied: 0, known: 0 }])) as Copied
  if (source.repeatKey)
    await pool.query(`INSERT INTO ${schema}.former_keys VALUES ($1) ON CONFLICT DO NOTHING`, [
      Buffer.from(source.repeatKey),
    ])
  for (const slice of source.slices()) {
    const now = clock.now()
    const put = await pool.transact((tx) => putSlice({ tx, store, now }, slice))
    for (const table of tables) {
      copied[table].copied += put[table]
      copied[table].known += lengthOf(table, slice) - put[table]
    }
  }
  return copied
}

const putInto = async (pool: Pool, schema: string, { clock, logger }: EngineContext, source: CopySource) => {
  const store = await openPlace({ pool, schema, clock }, (error) =>
    logger.warn(traceOf(error), 'the queue of the database met an error during the copy'),
  )
  try {
    return await putAll(store, source)
  } finally {
    await store.queue.stop()
  }
}

/** Rejects with an EngineError, or an OptionsError when a package is missing. */
export const importFrom = async (
  given: Given,
  context: EngineContext,
  source: CopySource,
): Promise<Copied> => {
  try {
    const pool = await openPool(given, context.clock, (error) =>
      context.logger.warn(traceOf(error), 'a connection to the database was lost'),
    )
    try {
      return await putInto(pool, given.schema, context, source)
    } finally {
      await pool.close()
    }
  } catch (error) {
    throw error instanceof OptionsError ? error : engineErrorOf(error, locationOf(given))
  }
}
