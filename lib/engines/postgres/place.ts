// The place that is worked in: our tables and pg-boss's, made or brought up to date, and what is read of them once.
import { EngineError } from '../../errors.ts'
import { createLeases } from './leases.ts'
import type { Pool } from './pool.ts'
import { openQueue } from './queue.ts'
import { hasSchema, migrate, schemaLock } from './schema.ts'
import type { Store } from './store.ts'
import { measureAhead, readFormerKeys, type Watched } from './watch.ts'

/** In another encoding, messages with an emoji would be refused one by one, each time they are sent. */
const checkEncoding = async (pool: Pool): Promise<void> => {
  const { rows } = await pool.query('SHOW server_encoding')
  const encoding = rows[0].server_encoding
  if (encoding === 'UTF8' || encoding === 'SQL_ASCII') return
  throw new EngineError(
    'engine-failed',
    `${pool.location} has the encoding ${encoding}, which cannot hold every message. Give postgres() a database that was created with ENCODING 'UTF8'.`,
  )
}

/**
 * All waits for the one that changes the schemas, so that any number of processes may start at once. `onError` gets
 * what pg-boss meets later.
 */
export const openPlace = async (
  { pool, schema, clock }: Pick<Store, 'pool' | 'schema' | 'clock'>,
  onError: (error: unknown) => void,
): Promise<Watched> => {
  const place = { pool, schema, queueSchema: `${schema}_queue`, clock }
  const queue = await pool.locked(schemaLock(schema), async () => {
    await checkEncoding(pool)
    await migrate(place)
    const isThere = await hasSchema(pool, place.queueSchema)
    return openQueue({ schema: place.queueSchema, isThere }, pool.query, clock, onError)
  })
  try {
    const [aheadMs, formerKeys, key] = await Promise.all([
      measureAhead(place),
      readFormerKeys(place),
      pool.query(`SELECT key FROM ${schema}.hash_key`),
    ])
    return { ...place, queue, leases: createLeases(), aheadMs, formerKeys, hashKey: key.rows[0].key }
  } catch (error) {
    await queue.stop()
    throw error
  }
}
