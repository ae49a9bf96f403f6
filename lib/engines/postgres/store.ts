// What the calls of this engine work with, and the words of SQL that several of them share.
import type { Clock } from '../../clock.ts'
import type { Lease } from '../../engine.ts'
import { suspectFrom } from '../../interruptions.ts'
import { attemptOf, type Held, type Leases } from './leases.ts'
import type { Pool, Tx } from './pool.ts'
import type { Entry, Queue, QueueName } from './queue.ts'

export type Store = {
  /** Our schema; it is a name that needs no quotes. */
  readonly schema: string
  /** pg-boss's. */
  readonly queueSchema: string
  readonly pool: Pool
  readonly queue: Queue
  readonly leases: Leases
  readonly clock: Clock
  /** How far the database's clock is ahead of ours, milliseconds. */
  readonly aheadMs: number
  /** What the hashes of events are keyed with. */
  readonly hashKey: Uint8Array
  /** What hashes of events that are gone are keyed with where they were copied from other stores. */
  readonly formerKeys: readonly Uint8Array[]
}

/** PostgreSQL's text holds no NUL and no half of a character; JSON writes them out, other texts lose them here. */
export const columnText = (text: string): string =>
  text.replace(/\p{Surrogate}/gu, '\ufffd').replaceAll('\0', '\\u0000')

const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/
/** What could not be the id of a row is not asked for: the database would refuse the whole statement. */
export const isId = (id: string): boolean => uuid.test(id)

/** Those who share a limit of what may be in work. */
export const groupOf = (kind: string, endpointId: string): string => `${kind}:${endpointId}`
export const endpointIdOf = (group: string): string => group.slice(group.indexOf(':') + 1)

/** The name under which all processes hear that something may have become due. */
export const channelOf = (schema: string): string => `${schema}_due`
/** Heard when the transaction commits, and not if it does not. */
export const notify = async (tx: Tx, { schema }: Pick<Store, 'schema'>): Promise<void> => {
  const statement = `NOTIFY ${channelOf(schema)}`
  if (tx.atEnd) tx.atEnd(statement)
  else await tx.query(statement)
}

const firstSecond = Date.UTC(2020, 0, 1) / 1000
/** An integer of PostgreSQL holds no less; what is due after 2088 has it. */
const leastPriority = -(2 ** 31)
/** Before everything that is tried again. */
export const firstPriority = 1
/** Of two that are due, the longer due comes first; what is not due yet lies behind all that is. */
export const priorityOf = (dueAt: number): number =>
  Math.max(Math.min(firstSecond - Math.floor(dueAt / 1000), 0), leastPriority)

type Waiting = { id: string; group: string | null; tries: number; dueAt: number; chars: number }

/** A first try is due at once; what is due later is sorted by when. */
export const entryOf = (
  { id, group, tries, dueAt, chars }: Waiting,
  now: number,
  aheadMs: number,
): Entry => ({
  id,
  group,
  dueInMs: dueAt - now,
  priority: tries === 0 && dueAt <= now ? firstPriority : priorityOf(dueAt + aheadMs),
  chars,
})

/** Mails that their process died over again and again are in work one at a time. */
export const suspects = 'suspects'
const suspectPriority = 1000
/** The priorities of all mails that can be due. */
export const mostMailPriority = suspectPriority

type WaitingMail = { id: string; interruptions: number; dueAt: number }

/** The longest due first, but before them the suspects, the least interrupted first. */
export const mailEntryOf = (
  { id, interruptions, dueAt }: WaitingMail,
  now: number,
  aheadMs: number,
): Entry => {
  const isSuspect = interruptions >= suspectFrom
  return {
    id,
    group: isSuspect ? suspects : null,
    dueInMs: dueAt - now,
    priority: isSuspect ? suspectPriority - interruptions : priorityOf(dueAt + aheadMs),
    chars: 0,
  }
}

export const deliveryColumns = `d.id, d.endpoint, d.state, d.tries, d.interruptions, d.round,
  d.created_at AS "createdAt", d.due_at AS "dueAt", d.ended_at AS "endedAt", d.reason, d.mail`
export const attemptColumns = 'a.n, a.started_at AS "startedAt", a.took_ms AS "tookMs", a.outcome'
export const mailColumns = `m.id, m.recipients, m.message_id AS "messageId", m.state, m.tries, m.interruptions,
  m.created_at AS "createdAt", m.due_at AS "dueAt", m.ended_at AS "endedAt", m.outcome`

/** Another process took a lease between two statements: all is undone and begun again. */
export const overtaken = (): Error =>
  Object.assign(new Error('a lease was lost meanwhile'), { code: '40001' })

/** By id, those leases that this process was handed and that nobody else has claimed since. */
export const ours = async (
  tx: Tx,
  { schema, leases }: Store,
  table: QueueName,
  asked: readonly Lease[],
): Promise<Map<string, Held>> => {
  const held = asked.flatMap((lease) => leases.get(lease) ?? []).filter((one) => one.queue === table)
  if (held.length === 0) return new Map()
  const { rows } = await tx.query(
    `SELECT r.id FROM ${schema}.${table} r JOIN unnest($1::uuid[], $2::text[]) AS t (id, token)
       ON r.id = t.id AND r.lease = t.token WHERE r.state = 'pending'`,
    [held.map(({ lease }) => lease.id), held.map(({ lease }) => lease.token)],
  )
  const valid = new Set<string>(rows.map(({ id }) => id))
  return new Map(held.filter(({ lease }) => valid.has(lease.id)).map((one) => [one.lease.id, one]))
}

/** What is still ours of it is due again now, and nobody's. An entry alone does not tell: put in anew it counts afresh. */
export const giveBack = async (
  tx: Tx,
  store: Store,
  table: QueueName,
  all: readonly Held[],
): Promise<void> => {
  const leases = all.map(({ lease }) => lease)
  const held = await ours(tx, store, table, leases)
  await store.queue.giveBack(tx, table, [...held.values()].map(attemptOf))
}
