// What is due when, who has it, and whether they are alive: pg-boss's, on the same database and in the same
// transactions. The only file that loads it. An entry has the id of the delivery or mail that it stands for.
import type { Clock } from '../../clock.ts'
import { OptionsError } from '../../errors.ts'
import { codeOf } from './errors.ts'
import { type Answer, installing, orMissing, type Tx } from './pool.ts'

export type QueueName = 'deliveries' | 'mails'
const names: readonly QueueName[] = ['deliveries', 'mails']

/** pg-boss's own least. A process that says nothing for this long has lost what it had in work. */
const heartbeatSeconds = 10
/** How often that is looked at, by one process at a time. */
const monitorSeconds = 1
/** pg-boss deletes what waits for longer, without a word. */
const retentionSeconds = 20 * 365 * 24 * 3600
/** What is in work may be for so long; pg-boss's own most. */
const expireSeconds = 24 * 3600
/** Each loss of a process spends one of them. How often a delivery is tried is counted in our rows. */
const endless = 2 ** 31 - 1
const nobody = '00000000-0000-0000-0000-000000000000'

/** What waits: for whom (null: nobody is kept waiting for it), until when, and how large it is. */
export type Entry = {
  id: string
  group: string | null
  /** From now on, in the database's time. */
  dueInMs: number
  priority: number
  chars: number
}
/** What was handed out, and the how-manieth time: so the one is told from the next who gets it. */
export type Handed = { id: string; retryCount: number; group: string | null; chars: number }
export type Attempted = Pick<Handed, 'id' | 'retryCount'>

/** How many of each group may be in work in all; `least` and `most` bound the priority. */
export type Wish = {
  limit: number
  groups: { default: number; of: Readonly<Record<string, number>> }
  except: readonly string[]
  least: number
  most: number
}

export type Queue = {
  put(tx: Tx, name: QueueName, entries: readonly Entry[]): Promise<void>
  /** Takes out what is there, in work or not. */
  drop(tx: Tx, name: QueueName, ids: readonly string[]): Promise<void>
  /** Takes out what is still in this work; answers which. */
  finish(tx: Tx, name: QueueName, attempts: readonly Attempted[]): Promise<Set<string>>
  /** Hands out what is due, the highest priority first, then the oldest. May answer fewer than there are. */
  fetch(tx: Tx, name: QueueName, wish: Wish): Promise<Handed[]>
  /** Those that are still in this work are due again now, and nobody's. */
  giveBack(tx: Tx, name: QueueName, attempts: readonly Attempted[]): Promise<void>
  /** Says that they are still in work; answers which are. */
  touch(tx: Tx, name: QueueName, attempts: readonly Attempted[]): Promise<Set<string>>
  /** Gives back what dead processes had in work. Of several processes, one does it. */
  monitor(): Promise<void>
  stop(): Promise<void>
}

const intervalOf = (ms: number): string => `${Math.max(ms, 0)} milliseconds`

const timersOf = (clock: Clock) => {
  const setTimeout = (action: () => void, ms: number) => clock.after(ms, action)
  return {
    now: clock.now,
    setTimeout,
    clearTimeout: (cancel: unknown) => (cancel as () => void)(),
    setInterval: (action: () => void, ms: number) => {
      let cancel = () => {}
      const next = () => {
        cancel = setTimeout(() => {
          next()
          action()
        }, ms)
      }
      next()
      return () => cancel()
    },
    clearInterval: (cancel: unknown) => (cancel as () => void)(),
  }
}

/** Before 12.35, late writers are not told from others. */
const tooOld = (): OptionsError =>
  new OptionsError(
    'options-invalid',
    `the pg-boss that is installed is none for postgres(). Run: ${installing}`,
  )

const orTooOld = (error: unknown): never => {
  throw codeOf(error) === '22P02' ? tooOld() : error
}

/** `schema` is pg-boss's own, made where it is not there. */
export const openQueue = async (
  { schema, isThere }: { schema: string; isThere: boolean },
  query: (text: string, values?: unknown[]) => Promise<Answer>,
  clock: Clock,
  onError: (error: unknown) => void,
): Promise<Queue> => {
  const { PgBoss } = await import('pg-boss').catch(orMissing('pg-boss'))
  if (!PgBoss) throw tooOld()
  const boss = new PgBoss({
    schema,
    createSchema: !isThere,
    db: { executeSql: query },
    clock: timersOf(clock),
    schedule: false,
    supervise: false,
    monitorIntervalSeconds: monitorSeconds,
    // Warnings are of queues that are long, which ours may be.
    warningQueueSize: endless,
  })
  // What nobody listens to would end the process.
  boss.on('error', onError)
  const stop = () => boss.stop({ graceful: false, close: false })
  try {
    await boss.start()
    for (const name of names) {
      await boss.createQueue(name, {
        partition: true,
        heartbeatSeconds,
        retentionSeconds,
        expireInSeconds: expireSeconds,
        retryLimit: endless,
        retryDelay: 0,
      })
      // Any first use reads the queue's own row on another connection, for which a transaction must not wait.
      const known = await boss.touch(name, [{ id: nobody, retryCount: 0 }]).catch(orTooOld)
      if (!('settled' in known)) throw tooOld()
    }
  } catch (error) {
    await stop()
    throw error
  }

  const within = (tx: Tx) => ({
    db: { executeSql: (text: string, values?: unknown[]) => tx.query(text, values) },
  })
  const settled = (response: unknown) => new Set((response as { settled: string[] }).settled)

  return {
    async put(tx, name, entries) {
      if (entries.length === 0) return
      const rows = entries.map(({ id, group, dueInMs, priority, chars }) => ({
        id,
        priority,
        data: { chars },
        ...(dueInMs > 0 && { startAfter: intervalOf(dueInMs) }),
        ...(group !== null && { group: { id: group, tier: group } }),
      }))
      await boss.insert(name, rows as Parameters<typeof boss.insert>[1], within(tx))
    },
    async drop(tx, name, ids) {
      if (ids.length > 0) await boss.deleteJob(name, [...ids], within(tx))
    },
    async finish(tx, name, attempts) {
      if (attempts.length === 0) return new Set()
      return settled(await boss.deleteJob(name, [...attempts], within(tx)))
    },
    async fetch(tx, name, { limit, groups, except, least, most }) {
      const handed = await boss.fetch<{ chars: number }>(name, {
        ...within(tx),
        batchSize: limit,
        groupConcurrency: { default: groups.default, tiers: groups.of },
        ignoreGroups: except.length > 0 ? [...except] : null,
        minPriority: least,
        maxPriority: most,
      })
      return handed.map(({ id, retryCount, groupId, data }) => ({
        id,
        retryCount,
        group: groupId ?? null,
        chars: data.chars,
      }))
    },
    async giveBack(tx, name, attempts) {
      if (attempts.length > 0) await boss.fail(name, [...attempts], null, within(tx))
    },
    async touch(tx, name, attempts) {
      if (attempts.length === 0) return new Set()
      return settled(await boss.touch(name, [...attempts], within(tx)))
    },
    monitor: () => boss.supervise(),
    stop,
  }
}
