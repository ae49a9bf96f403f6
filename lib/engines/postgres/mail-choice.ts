// Which mails one claim takes: pg-boss hands out what is due, and what is not to go out now goes back in with its
// time. What of them is gathered is said in digests.ts.
import type { DigestRule } from '../../digest.ts'
import type { Step } from '../../engine/digesting.ts'
import { suspectFrom } from '../../interruptions.ts'
import { type Digests, digestsOf } from './digests.ts'
import type { Tx } from './pool.ts'
import type { Entry, Handed } from './queue.ts'
import { firstPriority, mailEntryOf, mostMailPriority, priorityOf, type Store, suspects } from './store.ts'

/** How many mails one claim looks at, so that others need not wait long. */
const mostLooked = 1000
/** Clocks are compared once a second; what they may drift apart until then is looked at for nothing. */
const slackMs = 5_000
/** Whoever is in no group waits for nobody. */
const groups = { default: 2 ** 31 - 1, of: { [suspects]: 1 } }

type Due = {
  id: string
  seq: number
  recipients: string
  interruptions: number
  isBegun: boolean
  dueAt: number
}
export type Chosen = Due & Handed
export type Choice = {
  /** In the order in which they go out. */
  chosen: Chosen[]
  /** Others are due, or may be. */
  isMore: boolean
}

const isSuspect = ({ interruptions }: Due): boolean => interruptions >= suspectFrom
/** Its entry tells how often it was interrupted: who had it before has not lost it since. */
const isKnown = ({ group, retryCount }: Handed): boolean => group === suspects && retryCount === 0

const inOrder = (chosen: Chosen[]): Chosen[] => chosen.sort((a, b) => a.dueAt - b.dueAt || a.seq - b.seq)

/** For a claim that no other is under way beside. */
export const choose = async (
  tx: Tx,
  store: Store,
  { limit, digests: rule }: { limit: number; digests: DigestRule | null },
  now: number,
): Promise<Choice> => {
  const { schema, queue, leases, aheadMs } = store
  const digests: Digests | null = rule && digestsOf(tx, store, rule, now)
  const chosen: Chosen[] = []
  /** What was gathered and is to be handed out yet. */
  const promised = new Set<string>()
  /** One at a time; one counts from the claim on that makes it suspect. */
  const mayTakeSuspect = !leases.alive('mails', now).some(({ group }) => group === suspects)
  let suspect: Chosen | null = null
  const room = () => limit - chosen.length - (suspect ? 1 : 0)

  const fetchSuspect = (): Promise<Handed[]> =>
    queue.fetch(tx, 'mails', {
      limit: 1,
      groups,
      except: [],
      least: firstPriority + 1,
      most: mostMailPriority,
    })
  const fetchOthers = (most: number): Promise<Handed[]> =>
    queue.fetch(tx, 'mails', {
      limit: most,
      groups,
      except: [],
      least: priorityOf(now + aheadMs + slackMs),
      most: firstPriority,
    })

  const rowsOf = async (handed: readonly Handed[]): Promise<Chosen[]> => {
    const { rows } = await tx.query(
      `SELECT id, seq::float8, recipients, interruptions, begun_at IS NOT NULL AS "isBegun", due_at AS "dueAt"
       FROM ${schema}.mails WHERE id = ANY($1::uuid[]) AND state = 'pending' ORDER BY due_at, seq`,
      [handed.map(({ id }) => id)],
    )
    const handedOf = new Map(handed.map((one) => [one.id, one]))
    return rows.map((row: Due) => ({ ...row, ...handedOf.get(row.id)! }))
  }

  const take = (one: Chosen): void => {
    chosen.push(one)
    promised.delete(one.id)
    if (digests && !one.isBegun) digests.begun(one.id, one.recipients)
  }

  const park = async (rows: readonly Due[]): Promise<void> => {
    if (rows.length === 0) return
    await tx.query(
      `UPDATE ${schema}.mails m SET due_at = t.due_at
       FROM unnest($1::uuid[], $2::double precision[]) AS t (id, due_at) WHERE m.id = t.id`,
      [rows.map(({ id }) => id), rows.map(({ dueAt }) => dueAt)],
    )
  }

  const putAnew = async (rows: readonly Due[]): Promise<void> => {
    const ids = rows.map(({ id }) => id)
    await queue.drop(tx, 'mails', ids)
    const entries = rows.map((row): Entry => mailEntryOf(row, now, aheadMs))
    await queue.put(tx, 'mails', entries)
  }

  /** Those that were handed out together, in order. */
  const sort = async (rows: readonly Chosen[]): Promise<void> => {
    await digests?.look(rows.filter(({ isBegun }) => !isBegun).map(({ recipients }) => recipients))
    const members = new Set<string>()
    const parked: Due[] = []
    const left: Due[] = []
    const stepOf = async ({ id, recipients, isBegun }: Chosen): Promise<Step> => {
      if (!digests || isBegun) return { to: 'send' }
      for (;;) {
        const step = digests.next(recipients)
        if (step.to !== 'gather' || promised.size >= room()) return step
        const gathered = await digests.gather(recipients)
        if (!gathered) return { to: 'send' }
        promised.add(gathered.mail)
        for (const member of gathered.members) members.add(member)
        if (members.has(id)) return step
      }
    }
    for (const row of rows) {
      if (members.has(row.id)) continue
      const step = await stepOf(row)
      if (step.to === 'send' && room() > 0) take(row)
      else if (step.to === 'park') parked.push({ ...row, dueAt: step.until })
      else left.push(row)
    }
    const isLeft = ({ id }: Due) => !members.has(id)
    const waiting = parked.filter(isLeft)
    await park(waiting)
    await putAnew([...waiting, ...left.filter(isLeft)])
  }

  const dropUnknown = async (handed: readonly Handed[], rows: readonly Due[]): Promise<void> => {
    const known = new Set(rows.map(({ id }) => id))
    const gone = handed.filter(({ id }) => !known.has(id))
    await queue.drop(
      tx,
      'mails',
      gone.map(({ id }) => id),
    )
  }

  /** Answers whether there may be one to fetch. Of those that only now turn out to be suspects one may come first. */
  const sortSuspects = async (rows: readonly Chosen[]): Promise<boolean> => {
    const anew = rows.filter((row) => !isKnown(row))
    const held = suspect ?? rows.find(isKnown) ?? null
    suspect = held && anew.some((one) => one.interruptions < held.interruptions) ? null : held
    await putAnew(held && !suspect ? [...anew, held] : anew)
    return anew.length > 0
  }

  let looked = 0
  let isSuspectDue = true
  let reach = limit
  while (room() > 0 && looked < mostLooked) {
    const isFetching: boolean = mayTakeSuspect && isSuspectDue && !suspect
    isSuspectDue = false
    const handed = isFetching ? await fetchSuspect() : await fetchOthers(reach)
    if (handed.length === 0 && isFetching) continue
    if (handed.length === 0) break
    looked += handed.length
    const outgoing = chosen.length + promised.size
    const rows = await rowsOf(handed)
    await dropUnknown(handed, rows)
    const isFound = await sortSuspects(rows.filter(isSuspect))
    isSuspectDue = isFound || (isFetching && !suspect)
    await sort(rows.filter((row) => !isSuspect(row)))
    // Where all have to wait there is a flood of them: the next look goes further.
    const isVain = !isFetching && chosen.length + promised.size === outgoing
    reach = isVain ? Math.min(reach * 2, mostLooked) : room()
  }
  const first = suspect ? [suspect] : []
  return { chosen: [...first, ...inOrder(chosen)], isMore: looked >= mostLooked || promised.size > 0 }
}
