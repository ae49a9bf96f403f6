// The SQL of mails: claim with the stories that a letter tells, and settle. Which ones a claim takes is said in
// mail-choice.ts, how they are settled in mail-settle.ts.

import type { DigestRule } from '../../digest.ts'
import type { AttemptRow, DeliveryRow, MailClaimRow, MailRow, StoryRow } from '../../engine/rows.ts'
import { suspectFrom } from '../../interruptions.ts'
import { attemptOf } from './leases.ts'
import { type Chosen, choose } from './mail-choice.ts'
import { type MailSettling, settleMail } from './mail-settle.ts'
import type { Tx } from './pool.ts'
import {
  attemptColumns,
  deliveryColumns,
  mailColumns,
  notify,
  overtaken,
  type Store,
  suspects,
} from './store.ts'

export type MailWish = { limit: number; leaseMs: number; digests?: DigestRule | null }

/** One process after the other, since each counts what the others have sent. Flushed: what is gathered stays so. */
const beginOf = ({ schema }: Store): string =>
  `SELECT pg_advisory_xact_lock(hashtext('smshook:${schema}:mails'))`

const lend = async (
  tx: Tx,
  { schema }: Store,
  chosen: readonly Chosen[],
  token: string,
  now: number,
): Promise<Map<string, MailRow>> => {
  const { rows } = await tx.query(
    `UPDATE ${schema}.mails m SET interruptions = m.interruptions + m.sending::int, sending = true,
       begun_at = coalesce(m.begun_at, $3), lease = $2
     WHERE m.id = ANY($1::uuid[]) AND m.state = 'pending' RETURNING ${mailColumns}`,
    [chosen.map(({ id }) => id), token, now],
  )
  if (rows.length < chosen.length) throw overtaken()
  return new Map(rows.map((row) => [row.id, row]))
}

/** By mail. */
const storiesOf = async (
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
  const attemptsOf = new Map<string, AttemptRow[]>()
  for (const { delivery, ...attempt } of tried.rows)
    attemptsOf.set(delivery, [...(attemptsOf.get(delivery) ?? []), attempt])
  const stories = new Map<string, StoryRow[]>(mails.map((mail) => [mail, []]))
  for (const delivery of members.rows as DeliveryRow[])
    stories
      .get(String(delivery.mail))!
      .push({ delivery, attempts: attemptsOf.get(String(delivery.id)) ?? [] })
  return stories
}

export const mailCalls = (store: Store) => {
  const { queue, leases, pool } = store
  return {
    async claimMails({ limit, leaseMs, digests = null }: MailWish, now: number): Promise<MailClaimRow[]> {
      const token = leases.token()
      const over = leases.over('mails', now)
      const claims = await pool.transact(async (tx) => {
        await queue.giveBack(tx, 'mails', over.map(attemptOf))
        const { chosen, isMore } = await choose(tx, store, { limit, digests }, now)
        if (isMore) await notify(tx, store)
        if (chosen.length === 0) return []
        const rows = await lend(tx, store, chosen, token, now)
        const ids = chosen.map(({ id }) => id)
        const stories = await storiesOf(tx, store, ids)
        return chosen.map(({ id, chars, retryCount }) => ({
          mail: rows.get(id)!,
          stories: stories.get(id)!,
          chars,
          retryCount,
        }))
      }, beginOf(store))

      for (const one of over) one.isGivenBack = true
      return claims.map(({ mail, stories, chars, retryCount }) => {
        leases.add({
          lease: { id: String(mail.id), token },
          queue: 'mails',
          group: mail.interruptions >= suspectFrom ? suspects : null,
          chars,
          retryCount,
          endsAt: now + leaseMs,
          isGivenBack: false,
        })
        return { token, mail, stories }
      })
    },

    async settleMail(settling: MailSettling): Promise<'settled' | 'lost'> {
      const answer = await pool.transact((tx) => settleMail(tx, store, settling))
      leases.drop(settling.lease)
      return answer
    },
  }
}
