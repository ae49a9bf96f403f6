// The SQL of the stories that mails tell, and the attempts of deliveries.
import type { AttemptRow, DeliveryRow, StoryRow } from '../../engine/rows.ts'
import type { Tx } from './pool.ts'
import { attemptColumns, deliveryColumns, type Store } from './store.ts'

/** By their deliveries, in the order in which they come. */
export const attemptsOf = (
  rows: readonly (AttemptRow & { delivery: string })[],
): Map<string | number, AttemptRow[]> => {
  const byDelivery = new Map<string | number, AttemptRow[]>()
  for (const { delivery, ...attempt } of rows) {
    const known = byDelivery.get(delivery)
    if (known) known.push(attempt)
    else byDelivery.set(delivery, [attempt])
  }
  return byDelivery
}

/** By their mails; of each delivery the attempts of its last round. */
export const storiesOf = async (
  tx: Tx,
  { schema }: Store,
  mails: readonly string[],
): Promise<Map<string, StoryRow[]>> => {
  const members = await tx.query(
    `SELECT ${deliveryColumns}, e.event FROM ${schema}.deliveries d JOIN ${schema}.events e ON e.seq = d.event
     WHERE d.mail = ANY($1::uuid[]) ORDER BY d.seq`,
    [mails],
  )
  const tried = await tx.query(
    `SELECT d.id AS delivery, ${attemptColumns} FROM ${schema}.deliveries d
       JOIN ${schema}.attempts a ON a.delivery = d.id AND a.round = d.round
     WHERE d.mail = ANY($1::uuid[]) ORDER BY a.n`,
    [mails],
  )
  const attempts = attemptsOf(tried.rows)
  const stories = new Map<string, StoryRow[]>(mails.map((mail) => [mail, []]))
  for (const delivery of members.rows as DeliveryRow[])
    stories.get(String(delivery.mail))!.push({ delivery, attempts: attempts.get(delivery.id) ?? [] })
  return stories
}
