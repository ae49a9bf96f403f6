// The place that is worked in: our tables and pg-boss's, made or brought up to date, and what is read of them once.
import { createLeases } from './leases.ts'
import { openQueue } from './queue.ts'
import { migrate, schemaLock } from './schema.ts'
import type { Store } from './store.ts'
import { measureAhead, readFormerKeys, type Watched } from './watch.ts'

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
    await migrate(place)
    return openQueue(place.queueSchema, pool.query, clock, onError)
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
