// Opening: the connections, the tables, pg-boss, and the calls on top of them; and closing in the other order.
import { monotonicNow } from '../../clock.ts'
import type { Acceptance, Accepted, EngineContext, HostClient } from '../../engine.ts'
import { OptionsError } from '../../errors.ts'
import { traceOf } from '../../trace.ts'
import { type AcceptanceRow, accept, acceptanceRow } from './accept.ts'
import { createBatch } from './batch.ts'
import { type ClaimWish, claimCalls } from './claim.ts'
import { cancel, release, renew, replay } from './ending.ts'
import { erase } from './erase.ts'
import { codeOf } from './errors.ts'
import { mailCalls } from './mails.ts'
import { openPlace } from './place.ts'
import { openPool, type PostgresPool } from './pool.ts'
import { prune } from './prune.ts'
import { quarantineCalls } from './quarantine.ts'
import { readCalls } from './reads.ts'
import { reconcile } from './reconcile.ts'
import { afterSettling, type Settled, type Settling, settle } from './settle.ts'
import { giveBack } from './store.ts'
import { startWatch, type Watched } from './watch.ts'

const quietMs = 60_000

type Given = { url?: string | undefined; pool?: PostgresPool | undefined; schema: string }
type Signals = { tell(): void; onState(error: unknown): void }

/** What is stored in another database than the engine's would be stored, and delivered by nobody. */
const checkDatabase = async (client: HostClient, { schema, hashKey }: Watched): Promise<void> => {
  const isOurs = await client.query(`SELECT 1 FROM ${schema}.hash_key WHERE key = $1`, [hashKey]).then(
    ({ rows }) => rows.length > 0,
    (error) => {
      if (codeOf(error) === '42P01') return false
      throw error
    },
  )
  if (!isOurs)
    throw new OptionsError(
      'options-invalid',
      '`client` is connected to another database than the engine. Take it from a pool with the same URL.',
    )
}

/** Within a transaction of the host's, which may go on when it fails. */
const acceptWithin = async (
  client: HostClient,
  store: Watched,
  rows: readonly AcceptanceRow[],
  now: number,
): Promise<Accepted[]> => {
  try {
    await client.query('SAVEPOINT smshook')
  } catch (error) {
    const hasNone = codeOf(error) === '25P01'
    throw hasNone
      ? new OptionsError(
          'options-invalid',
          '`client` has no transaction open. Write client.query("BEGIN") first.',
        )
      : error
  }
  try {
    await checkDatabase(client, store)
    const answers = await accept(client, store, rows, now)
    await client.query('RELEASE SAVEPOINT smshook')
    return answers
  } catch (error) {
    // On a connection that was lost it fails as well, and says nothing of why.
    await client.query('ROLLBACK TO SAVEPOINT smshook').catch(() => {})
    throw error
  }
}

/** Rejects with what pg says, or an EngineError. */
export const openStore = async (
  given: Given,
  { clock, logger }: EngineContext,
  { tell, onState }: Signals,
) => {
  let lostAt = Number.NEGATIVE_INFINITY
  // They are lost all at once, and again and again.
  const onError = (error: unknown) => {
    if (monotonicNow() - lostAt < quietMs) return
    lostAt = monotonicNow()
    logger.warn(traceOf(error), 'connections to the database were lost; others take their place')
  }
  const pool = await openPool(given, clock, onError)
  let stopQueue = async () => {}
  try {
    const store = await openPlace({ pool, schema: given.schema, clock }, onState)
    const { queue } = store
    stopQueue = queue.stop
    await reconcile(store, clock.now())
    const watch = await startWatch({ store, tell, onState })

    const accepts = createBatch<{ rows: AcceptanceRow[]; now: number }, Accepted[]>(
      async (calls, refused) => {
        const rows = calls.flatMap((one) => one.rows)
        const answers = await pool.transact((tx) => {
          refused.throwIfAborted()
          return accept(tx, store, rows, calls[0]!.now)
        })
        return calls.map((one) => answers.splice(0, one.rows.length))
      },
      { location: pool.location, deadline: clock },
    )
    const settles = createBatch<Settling, Settled>(
      (calls) => pool.transact((tx) => settle(tx, store, calls)),
      { location: pool.location },
    )
    const { claim } = claimCalls(store)

    return {
      async accept(
        items: readonly Acceptance[],
        client: HostClient | undefined,
        now: number,
      ): Promise<Accepted[]> {
        const rows = items.map((item) => acceptanceRow(item, store))
        if (client) return acceptWithin(client, store, rows, now)
        const chars = rows.reduce((sum, { event }) => sum + event.length, 0)
        return accepts.add({ rows, now }, chars)
      },
      claim(wish: ClaimWish, now: number) {
        if (wish.handlers) watch.setHandlers(wish.handlers)
        return claim(wish, now)
      },
      async settle(settling: Settling): Promise<Settled> {
        const answer = await settles.add(settling)
        afterSettling(store, settling, answer)
        return answer
      },
      renew: renew.bind(null, store),
      release: release.bind(null, store),
      replay: replay.bind(null, store),
      cancel: cancel.bind(null, store),
      prune: prune.bind(null, store),
      erase: (numbers: readonly string[]) => erase(store, numbers, (...line) => logger.warn(...line)),
      ...mailCalls(store),
      ...readCalls(store),
      ...quarantineCalls(store),

      async close() {
        await watch.stop()
        try {
          for (const name of ['deliveries', 'mails'] as const)
            await giveBack(pool, store, name, store.leases.alive(name, Number.NEGATIVE_INFINITY))
        } finally {
          await queue.stop()
          await pool.close()
        }
      },
    }
  } catch (error) {
    await stopQueue()
    await pool.close()
    throw error
  }
}
export type Opened = Awaited<ReturnType<typeof openStore>>
