// The SQL that takes events out of the database with all that hangs on them. Whoever calls holds the rows of the
// events FOR UPDATE: nobody can come to be owed one meanwhile.
import type { Tx } from './pool.ts'
import { overtaken, type Store } from './store.ts'

const idsOf = ({ rows }: { rows: { id: string }[] }): string[] => rows.map(({ id }) => id)

/** Takes their entries, of mails too, out of the queue; answers the mails that carry nothing else. */
export const removeEntries = async (
  tx: Tx,
  { schema, queue }: Store,
  seqs: readonly string[],
): Promise<Set<string>> => {
  const deliveries = await tx.query(
    `SELECT id FROM ${schema}.deliveries WHERE event = ANY($1::bigint[]) ORDER BY id`,
    [seqs],
  )
  await queue.drop(tx, 'deliveries', idsOf(deliveries))
  // Looked for only now: who had a delivery in work may have made a mail of it.
  const mails = await tx.query(
    `SELECT DISTINCT d.mail AS id FROM ${schema}.deliveries d
     WHERE d.event = ANY($1::bigint[]) AND d.mail IS NOT NULL AND NOT EXISTS (
       SELECT 1 FROM ${schema}.deliveries o WHERE o.mail = d.mail AND o.event <> ALL($1::bigint[]))
     ORDER BY id`,
    [seqs],
  )
  await queue.drop(tx, 'mails', idsOf(mails))
  return new Set(idsOf(mails))
}

/** In the order in which whoever settles a mail locks, too. */
const lock = async (tx: Tx, { schema }: Store, seqs: readonly string[]) => {
  const mails = await tx.query(
    `SELECT id FROM ${schema}.mails
     WHERE id IN (SELECT mail FROM ${schema}.deliveries WHERE event = ANY($1::bigint[])) ORDER BY id FOR UPDATE`,
    [seqs],
  )
  const known = new Set(idsOf(mails))
  const deliveries = await tx.query(
    `SELECT id, mail FROM ${schema}.deliveries WHERE event = ANY($1::bigint[]) ORDER BY id FOR UPDATE`,
    [seqs],
  )
  if (deliveries.rows.some(({ mail }) => mail !== null && !known.has(mail))) throw overtaken()
  return { mails: [...known], deliveries: idsOf(deliveries) }
}

/**
 * Of events stored after `rememberedAfter` a keyed hash stays, by which a repeat is known. Answers the mails that
 * went along.
 */
export const removeEvents = async (
  tx: Tx,
  store: Store,
  seqs: readonly string[],
  rememberedAfter: number,
): Promise<string[]> => {
  const { schema } = store
  const { mails, deliveries } = await lock(tx, store, seqs)
  await tx.query(`DELETE FROM ${schema}.attempts WHERE delivery = ANY($1::uuid[])`, [deliveries])
  await tx.query(`DELETE FROM ${schema}.deliveries WHERE id = ANY($1::uuid[])`, [deliveries])
  // It may carry the messages of other events too.
  const gone = await tx.query(
    `DELETE FROM ${schema}.mails m WHERE m.id = ANY($1::uuid[])
       AND NOT EXISTS (SELECT 1 FROM ${schema}.deliveries WHERE mail = m.id) RETURNING m.id`,
    [mails],
  )
  await tx.query(
    `INSERT INTO ${schema}.repeats (hash, stored_at)
     SELECT hash, stored_at FROM ${schema}.events WHERE seq = ANY($1::bigint[]) AND stored_at > $2
     ON CONFLICT (hash) DO NOTHING`,
    [seqs, rememberedAfter],
  )
  await tx.query(`DELETE FROM ${schema}.events WHERE seq = ANY($1::bigint[])`, [seqs])
  return idsOf(gone)
}
