// What goes on by itself while the engine is open: hearing of what has become due, keeping our leases alive, having
// those of dead processes given back, and noticing when the database goes away and comes back.
import type { Clock } from '../../clock.ts'
import { attemptOf } from './leases.ts'
import { channelOf, columnText, type Store } from './store.ts'

/** How often the time may have made something due, whatever was heard. */
const pollMs = 1000
/** Three may be missed before pg-boss takes us for dead. */
const heartbeatMs = 3000
const handlersMs = 60_000

export type Watched = Store & { aheadMs: number; formerKeys: readonly Uint8Array[] }
export type Watch = {
  /** The handlers that this process has; other processes leave their deliveries to it. */
  setHandlers(names: readonly string[]): void
  stop(): Promise<void>
}

type Parts = {
  store: Watched
  tell(): void
  /** Null: the database answers. */
  onState(error: unknown): void
}

/**
 * Calls `act` again and again, each time so long after the last one ended. Answers what stops it. Until then it keeps
 * the process alive, as the connections do while there are any.
 */
const repeat = (clock: Clock, everyMs: number, act: () => Promise<void>): (() => Promise<void>) => {
  const stopping = new AbortController()
  const run = async () => {
    for (;;) {
      await clock.sleep(everyMs, stopping.signal)
      if (stopping.signal.aborted) return
      await act()
    }
  }
  const running = run()
  return () => {
    stopping.abort()
    return running
  }
}

export const heartbeat = async ({ pool, queue, leases, clock }: Store): Promise<void> => {
  for (const name of ['deliveries', 'mails'] as const)
    await queue.touch(pool, name, leases.alive(name, clock.now()).map(attemptOf))
}

/** How far the database's clock is ahead of ours, milliseconds. */
export const measureAhead = async ({
  pool,
  queueSchema,
  clock,
}: Pick<Store, 'pool' | 'queueSchema' | 'clock'>) => {
  const { rows } = await pool.query(
    `SELECT (extract(epoch FROM ${queueSchema}.job_now()) * 1000)::double precision AS now`,
  )
  return rows[0].now - clock.now()
}

/** Another process may copy a store into this one at any time. */
export const readFormerKeys = async ({
  pool,
  schema,
}: Pick<Store, 'pool' | 'schema'>): Promise<Uint8Array[]> =>
  (await pool.query(`SELECT key FROM ${schema}.former_keys`)).rows.map(({ key }) => key)

/** Resolves when it hears, or knows that it cannot for now. */
export const startWatch = async ({ store, tell, onState }: Parts): Promise<Watch> => {
  const { pool, queue, clock, schema, queueSchema } = store
  let handlers: readonly string[] = []
  let toldHandlersAt = Number.NEGATIVE_INFINITY
  let endListening: (() => Promise<void>) | null = null

  const tellHandlers = async () => {
    if (handlers.length === 0 || clock.now() - toldHandlersAt < handlersMs) return
    toldHandlersAt = clock.now()
    await pool.query(
      `INSERT INTO ${schema}.handlers (endpoint_id, seen_at)
       SELECT t.id, ${queueSchema}.job_now() FROM unnest($1::text[]) AS t (id) ORDER BY t.id
       ON CONFLICT (endpoint_id) DO UPDATE SET seen_at = excluded.seen_at`,
      [handlers.map(columnText)],
    )
  }

  /** Without it, what is due is found each second. */
  const listen = async () => {
    if (endListening) return
    endListening = await pool
      .listen(channelOf(schema), tell, () => {
        endListening = null
      })
      .catch(() => null)
  }

  let isAway = false
  const poll = async () => {
    try {
      store.aheadMs = await measureAhead(store)
      // Or what is still in work here would be taken for a dead process's.
      if (isAway) await heartbeat(store)
      isAway = false
      store.formerKeys = await readFormerKeys(store)
      await queue.monitor()
      await tellHandlers()
      onState(null)
    } catch (error) {
      isAway = true
      onState(error)
    }
    await listen()
    tell()
  }

  // What fails is seen by the poll.
  const beat = () => heartbeat(store).catch(() => {})

  const stops = [repeat(clock, pollMs, poll), repeat(clock, heartbeatMs, beat)]
  await listen()

  return {
    setHandlers(names) {
      if (names.join() === handlers.join()) return
      handlers = [...names]
      toldHandlersAt = Number.NEGATIVE_INFINITY
      tellHandlers().catch(() => {})
    },
    async stop() {
      await Promise.all(stops.map((stop) => stop()))
      await endListening?.()
    },
  }
}
