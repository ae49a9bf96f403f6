// Writes copied mails, each at once with all that it carries: one that went out before would lack some of it.
import type { CopiedMail } from '../../engine/copied.ts'
import { column, deliveryId, idOf, type Turn } from './import-events.ts'
import { columnText, mailEntryOf, notify } from './store.ts'

const mailId = (one: CopiedMail): string => idOf(one, one.messageId, one.recipients)

/**
 * Only what still is as it was when it was copied is tied to its mail, and a mail that carries nothing is none: so
 * one that went into a digest since, or was taken apart, does not come back. How many it did.
 */
export const putMails = async ({ tx, store, now }: Turn, mails: readonly CopiedMail[]): Promise<number> => {
  const { schema } = store
  const rows = mails.map((mail) => ({ ...mail, id: mailId(mail) }))
  const ties = rows.flatMap(({ id, members }) =>
    members.map((member) => ({ ...member, mail: id, delivery: deliveryId(member) })),
  )
  const tie = [
    column(ties, ({ mail }) => mail),
    column(ties, ({ delivery }) => delivery),
    column(ties, ({ state }) => state),
    column(ties, ({ round }) => round),
  ]
  const untied = `unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[]) AS t (mail, delivery, state, round)
    WHERE d.id = t.delivery AND d.mail IS NULL AND d.state = t.state AND d.round = t.round`
  const carrying = await tx.query(
    `SELECT t.mail FROM ${schema}.deliveries d, ${untied} ORDER BY d.id FOR UPDATE OF d`,
    tie,
  )
  const wanted = new Set<string>(carrying.rows.map(({ mail }) => mail))
  const owed = rows.filter(({ id }) => wanted.has(id))
  const inserted = await tx.query(
    `INSERT INTO ${schema}.mails (id, recipients, message_id, state, tries, interruptions, created_at, begun_at, due_at,
       ended_at, outcome)
     SELECT t.id, t.recipients, t.message_id, t.state, t.tries, t.interruptions, t.created_at, t.begun_at, t.due_at,
       t.ended_at, t.outcome
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[], $7::double precision[],
         $8::double precision[], $9::double precision[], $10::double precision[], $11::text[])
       WITH ORDINALITY AS t (id, recipients, message_id, state, tries, interruptions, created_at, begun_at, due_at,
         ended_at, outcome, n)
     ORDER BY t.n ON CONFLICT (id) DO NOTHING RETURNING id`,
    [
      column(owed, ({ id }) => id),
      column(owed, ({ recipients }) => columnText(recipients)),
      column(owed, ({ messageId }) => columnText(messageId)),
      column(owed, ({ state }) => state),
      column(owed, ({ tries }) => tries),
      column(owed, ({ interruptions }) => interruptions),
      column(owed, ({ createdAt }) => createdAt),
      column(owed, ({ begunAt }) => begunAt),
      column(owed, ({ dueAt }) => dueAt),
      column(owed, ({ endedAt }) => endedAt),
      column(owed, ({ outcome }) => outcome && columnText(outcome)),
    ],
  )
  await tx.query(`UPDATE ${schema}.deliveries d SET mail = t.mail FROM ${untied}`, tie)
  const ids = new Set<string>(inserted.rows.map(({ id }) => id))
  const waiting = owed.filter(({ id, state }) => state === 'pending' && ids.has(id))
  const entries = waiting.map(({ id, interruptions, dueAt }) =>
    mailEntryOf({ id, interruptions, dueAt: dueAt! }, now, store.aheadMs),
  )
  await store.queue.put(tx, 'mails', entries)
  if (waiting.length > 0) await notify(tx, store)
  return ids.size
}
