// What is owed and has no entry in the queue gets one: deliveries that were copied from another store, or whose entry
// was deleted by hand.
import type { Entry, QueueName } from './queue.ts'
import { entryOf, mailEntryOf, type Store } from './store.ts'

const atOnce = 1000

/** Rows that lack an entry come from `from`, as `r`. */
type Kind = {
  name: QueueName
  columns: string
  from: string
  // biome-ignore lint/suspicious/noExplicitAny: what the columns name
  entry(row: any): Entry
}

export const reconcile = async (store: Store, now: number): Promise<void> => {
  const { schema, queueSchema, pool, queue, aheadMs } = store
  const kinds: Kind[] = [
    {
      name: 'deliveries',
      columns: `r.tries, r.kind || ':' || r.endpoint_id AS "group", length(e.event) AS chars`,
      from: `${schema}.deliveries r JOIN ${schema}.events e ON e.seq = r.event`,
      entry: (row) => entryOf(row, now, aheadMs),
    },
    {
      name: 'mails',
      columns: 'r.interruptions',
      from: `${schema}.mails r`,
      entry: (row) => mailEntryOf(row, now, aheadMs),
    },
  ]
  const put = ({ name, columns, from, entry }: Kind): Promise<number> =>
    pool.transact(async (tx) => {
      const { rows } = await tx.query(
        `SELECT r.id, r.due_at AS "dueAt", ${columns} FROM ${from}
         WHERE r.state = 'pending' AND NOT EXISTS (
           SELECT 1 FROM ${queueSchema}.job j WHERE j.name = '${name}' AND j.id = r.id)
         ORDER BY r.seq LIMIT ${atOnce}`,
      )
      await queue.put(tx, name, rows.map(entry))
      return rows.length
    })
  for (const kind of kinds) while ((await put(kind)) === atOnce);
}
