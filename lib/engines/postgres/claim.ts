// Claiming deliveries: pg-boss hands out what is due, within the room of each endpoint over all processes, and our
// rows say in the same transaction who has it.
import type { ClaimRow, DeliveryRow } from '../../engine/rows.ts'
import type { Room } from '../../engine.ts'
import type { Answer, Tx } from './pool.ts'
import type { Handed } from './queue.ts'
import {
  columnText,
  deliveryColumns,
  endpointIdOf,
  entryOf,
  firstPriority,
  giveBack,
  groupOf,
  notify,
  priorityOf,
  type Store,
} from './store.ts'

export type ClaimWish = {
  limit: number
  leaseMs: number
  room: Room
  handlers?: readonly string[] | undefined
}

// A claim of media-laden messages must not fill the host's memory: beyond 16 MB the rest is left for the next.
const claimChars = 16 * 2 ** 20
/** Clocks are compared once a second; what they may drift apart until then is looked at for nothing. */
const slackMs = 5_000
/** A handler is taken for gone so long after the last process that had it was seen, and after this one was opened. */
const handlerGoneMs = 10 * 60_000

const kinds = {
  first: () => ({ least: firstPriority, most: firstPriority }),
  again: (now: number) => ({ least: priorityOf(now + slackMs), most: firstPriority - 1 }),
}
type Kind = keyof typeof kinds

/** Costs less than a fetch that finds nothing. */
const isDue = (queueSchema: string, { least, most }: { least: number; most: number }): string => `EXISTS (
  SELECT 1 FROM ${queueSchema}.job WHERE name = 'deliveries' AND state < 'active' AND NOT blocked
    AND priority BETWEEN ${least} AND ${most} AND start_after <= ${queueSchema}.job_now())`

/** What is in work of a group, in all and at other processes; what was given back is not. */
type Standing = { group: string; active: number; elsewhere: number }

/**
 * Of one process after the other, so that each sees what the others have taken. It only leases, so it is not flushed;
 * and none of it may read a whole table, whatever the statistics of one that grew just now say.
 */
const beginOf = ({ schema, queueSchema, leases, aheadMs }: Store, now: number): string => `
  SET LOCAL synchronous_commit = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
  SELECT pg_advisory_xact_lock(hashtext('smshook:${schema}:claim'));
  SELECT
    (SELECT json_agg(s) FROM (
      SELECT kind || ':' || endpoint_id AS "group", count(*) AS active,
        count(*) FILTER (WHERE trying AND split_part(lease, '.', 1) <> '${leases.holder}') AS elsewhere
      FROM ${schema}.deliveries d WHERE lease IS NOT NULL AND (
        SELECT j.state = 'active' FROM ${queueSchema}.job j WHERE j.name = 'deliveries' AND j.id = d.id
      ) GROUP BY 1) s) AS standings,
    (SELECT json_agg(h) FROM (
      SELECT endpoint_id AS id, extract(epoch FROM ${queueSchema}.job_now() - seen_at) * 1000 AS "unseenMs"
      FROM ${schema}.handlers) h) AS handlers,
    ${isDue(queueSchema, kinds.first())} AS first, ${isDue(queueSchema, kinds.again(now + aheadMs))} AS again`

/** Handlers that another process has or may have soon, and this one does not. */
const elsewhere = (
  handlers: readonly { id: string; unseenMs: number }[],
  own: readonly string[] | undefined,
  openMs: number,
): string[] => {
  if (own === undefined) return []
  const here = new Set(own.map(columnText))
  return handlers
    .filter(({ id, unseenMs }) => Math.min(unseenMs, openMs) < handlerGoneMs && !here.has(id))
    .map(({ id }) => groupOf('handler', id))
}

/** How many of each group may be in work in all. A wait between two tries takes nothing from anybody. */
const groupsOf = (room: Room, standings: readonly Standing[]) => {
  const spaceOf = (id: string) => (Object.hasOwn(room.of, id) ? room.of[id]! : room.default)
  const of: Record<string, number> = Object.create(null)
  for (const id of Object.keys(room.of))
    for (const kind of ['webhook', 'handler', 'email']) of[groupOf(kind, columnText(id))] = spaceOf(id)
  for (const { group, active, elsewhere } of standings)
    of[group] = active + Math.max(spaceOf(endpointIdOf(group)) - elsewhere, 0)
  return { default: room.default, of }
}

const sizeOf = (handed: readonly Handed[]): number => handed.reduce((sum, { chars }) => sum + chars, 0)

export const claimCalls = (store: Store) => {
  const { schema, queue, leases, pool } = store
  const openedAt = store.clock.now()
  /** Which kind the next claim prefers: first tries, unless the claim before had no room left for retries. */
  let lead: Kind = 'first'

  /** `isMore`: something has become due since the transaction began. */
  const fetchAll = async (
    tx: Tx,
    { rows }: Answer,
    wish: ClaimWish,
    now: number,
    isMore: boolean,
  ): Promise<Handed[]> => {
    const standings: Standing[] = rows[0].standings ?? []
    const groups = groupsOf(wish.room, standings)
    const except = elsewhere(rows[0].handlers ?? [], wish.handlers, store.clock.now() - openedAt)
    const counts = new Map(standings.map(({ group, active }) => [group, active]))
    const isFull = (group: string) => (counts.get(group) ?? 0) >= (groups.of[group] ?? groups.default)
    // pg-boss would find that out for each of what is due to them.
    const full = () => Object.keys(groups.of).filter(isFull)
    const handed: Handed[] = []
    const order: Kind[] = lead === 'first' ? ['first', 'again'] : ['again', 'first']
    for (const kind of order.filter((one) => rows[0][one] || isMore)) {
      for (;;) {
        const limit = wish.limit - handed.length
        if (limit <= 0) break
        const some = await queue.fetch(tx, 'deliveries', {
          limit,
          groups,
          except: [...except, ...full()],
          ...kinds[kind](now + store.aheadMs),
        })
        for (const { group } of some) counts.set(group!, (counts.get(group!) ?? 0) + 1)
        handed.push(...some)
        // pg-boss counts a group's room only after it has taken what fills the limit, so that others may be left.
        if (some.length === limit || !some.some(({ group }) => isFull(group!))) break
      }
    }
    const isFirst = lead === 'first' && handed.length > 0
    const isCut = handed.length === wish.limit || handed.some(({ group }) => isFull(group!))
    lead = isFirst && isCut ? 'again' : 'first'
    return handed
  }

  /** Gives back what is too much for the host's memory. */
  const bounded = async (tx: Tx, handed: Handed[]): Promise<Handed[]> => {
    if (sizeOf(handed) <= claimChars) return handed
    let chars = 0
    const end = handed.findIndex((one, index) => {
      chars += one.chars
      return index > 0 && chars > claimChars
    })
    if (end < 0) return handed
    await queue.giveBack(tx, 'deliveries', handed.slice(end))
    await notify(tx, store)
    return handed.slice(0, end)
  }

  /** Entries whose rows are not to be claimed: the process that held them died between two tries, or they are over. */
  const setRight = async (tx: Tx, handed: readonly Handed[], now: number): Promise<void> => {
    const ids = handed.map(({ id }) => id)
    await queue.drop(tx, 'deliveries', ids)
    const { rows } = await tx.query(
      `UPDATE ${schema}.deliveries SET lease = NULL WHERE id = ANY($1) AND state = 'pending'
       RETURNING id, tries, due_at AS "dueAt", kind || ':' || endpoint_id AS "group"`,
      [ids],
    )
    const charsOf = new Map(handed.map(({ id, chars }) => [id, chars]))
    const entries = rows.map((row) => entryOf({ ...row, chars: charsOf.get(row.id)! }, now, store.aheadMs))
    await queue.put(tx, 'deliveries', entries)
  }

  const lend = async (
    tx: Tx,
    handed: readonly Handed[],
    token: string,
    now: number,
  ): Promise<DeliveryRow[]> => {
    const { rows } = await tx.query(
      `UPDATE ${schema}.deliveries d
       SET interruptions = d.interruptions + d.trying::int, trying = true, lease = $2
       FROM ${schema}.events e
       WHERE d.id = ANY($1) AND d.state = 'pending' AND e.seq = d.event
         AND NOT (d.lease IS NOT NULL AND NOT d.trying AND d.due_at > $3)
       RETURNING ${deliveryColumns}, e.event`,
      [handed.map(({ id }) => id), token, now],
    )
    return rows
  }

  const inOrder = (rows: DeliveryRow[]) =>
    rows.sort(
      (a, b) =>
        Number(a.tries > 0) - Number(b.tries > 0) ||
        a.dueAt! - b.dueAt! ||
        (String(a.id) < String(b.id) ? -1 : 1),
    )

  return {
    async claim(wish: ClaimWish, now: number): Promise<ClaimRow[]> {
      if (wish.limit <= 0) return []
      const token = leases.token()
      // Leases that ran out by the word of whoever asked for them.
      const over = leases.over('deliveries', now)
      const { handed, rows } = await pool.transact(
        async (tx, begun) => {
          await giveBack(tx, store, 'deliveries', over)
          const handed = await bounded(tx, await fetchAll(tx, begun, wish, now, over.length > 0))
          const rows = handed.length > 0 ? inOrder(await lend(tx, handed, token, now)) : []
          const claimed = new Set(rows.map(({ id }) => id))
          const others = handed.filter(({ id }) => !claimed.has(id))
          if (others.length > 0) await setRight(tx, others, now)
          return { handed, rows }
        },
        beginOf(store, now),
      )

      for (const one of over) one.isGivenBack = true
      const handedOf = new Map(handed.map((one) => [one.id, one]))
      return rows.map((delivery) => {
        const { id, group, chars, retryCount } = handedOf.get(String(delivery.id))!
        leases.add({
          lease: { id, token },
          queue: 'deliveries',
          group,
          chars,
          retryCount,
          endsAt: now + wish.leaseMs,
          isGivenBack: false,
        })
        return { token, delivery }
      })
    },
  }
}
