// The SQL of mails: claim with the stories that a letter tells, and settle. Which ones a claim takes is said in
// mail-choice.ts, how they are settled in mail-settle.ts.
import type { DigestRule } from '../../digest.ts'
import type { MailClaimRow, MailRow } from '../../engine/rows.ts'
import { suspectFrom } from '../../interruptions.ts'
import { type Chosen, choose } from './mail-choice.ts'
import { type MailSettling, settleMail } from './mail-settle.ts'
import type { Tx } from './pool.ts'
import { giveBack, mailColumns, notify, overtaken, type Store, suspects } from './store.ts'
import { storiesOf } from './stories.ts'

export type MailWish = { limit: number; leaseMs: number; digests?: DigestRule | null }

/**
 * One process after the other, since each counts what the others have sent. Flushed: what is gathered stays so. None
 * of it may read a whole table, whatever the statistics of one that grew just now say.
 */
const beginOf = ({ schema }: Store): string => `
  SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
  SELECT pg_advisory_xact_lock(hashtext('smshook:${schema}:mails'))`

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

export const mailCalls = (store: Store) => {
  const { leases, pool } = store
  /** Claims of one process are made in order, and those that wait for the lock hold one connection at most. */
  let last: Promise<unknown> = Promise.resolve()

  const claimMails = async (
    { limit, leaseMs, digests = null }: MailWish,
    now: number,
  ): Promise<MailClaimRow[]> => {
    const token = leases.token()
    const over = leases.over('mails', now)
    const claimed = await pool.transact(async (tx) => {
      await giveBack(tx, store, 'mails', over)
      const { chosen, isMore } = await choose(tx, store, { limit, digests }, now)
      if (isMore) await notify(tx, store)
      if (chosen.length === 0) return []
      const rows = await lend(tx, store, chosen, token, now)
      const stories = await storiesOf(tx, store, [...rows.keys()])
      return chosen.map(({ id, chars, retryCount }) => ({
        held: { lease: { id, token }, queue: 'mails' as const, chars, retryCount },
        row: { token, mail: rows.get(id)!, stories: stories.get(id)! },
      }))
    }, beginOf(store))

    for (const one of over) one.isGivenBack = true
    for (const { held, row } of claimed) {
      const group = row.mail.interruptions >= suspectFrom ? suspects : null
      leases.add({ ...held, group, endsAt: now + leaseMs, isGivenBack: false })
    }
    return claimed.map(({ row }) => row)
  }

  return {
    claimMails(wish: MailWish, now: number): Promise<MailClaimRow[]> {
      const claiming = last.then(() => claimMails(wish, now))
      last = claiming.catch(() => {})
      return claiming
    },

    async settleMail(settling: MailSettling): Promise<'settled' | 'lost'> {
      const answer = await pool.transact((tx) => settleMail(tx, store, settling))
      leases.drop(settling.lease)
      return answer
    },
  }
}
