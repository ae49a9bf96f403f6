// What is owed and has no entry in the queue gets one: deliveries that were copied from another store, or whose entry
// was deleted by hand.
import { entryOf, mailEntryOf, type Store } from './store.ts'

const atOnce = 1000

export const reconcile = async (store: Store, now: number): Promise<void> => {
  const { schema, queueSchema, pool, queue, aheadMs } = store
  const lacks = (name: string, row: string) =>
    `NOT EXISTS (SELECT 1 FROM ${queueSchema}.job j WHERE j.name = '${name}' AND j.id = ${row}.id)`

  const putDeliveries = () =>
    pool.transact(async (tx) => {
      const { rows } = await tx.query(
        `SELECT d.id, d.tries, d.due_at AS "dueAt", d.kind || ':' || d.endpoint_id AS "group", length(e.event) AS chars
         FROM ${schema}.deliveries d JOIN ${schema}.events e ON e.seq = d.event
         WHERE d.state = 'pending' AND ${lacks('deliveries', 'd')} ORDER BY d.seq LIMIT ${atOnce}`,
      )
      await queue.put(
        tx,
        'deliveries',
        rows.map((row) => entryOf(row, now, aheadMs)),
      )
      return rows.length
    })
  const putMails = () =>
    pool.transact(async (tx) => {
      const { rows } = await tx.query(
        `SELECT m.id, m.interruptions, m.due_at AS "dueAt" FROM ${schema}.mails m
         WHERE m.state = 'pending' AND ${lacks('mails', 'm')} ORDER BY m.seq LIMIT ${atOnce}`,
      )
      await queue.put(
        tx,
        'mails',
        rows.map((row) => mailEntryOf(row, now, aheadMs)),
      )
      return rows.length
    })

  for (const put of [putDeliveries, putMails]) while ((await put()) === atOnce);
}
