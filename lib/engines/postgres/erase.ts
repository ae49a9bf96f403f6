// The SQL that erases addresses, a slice of the store at a time: no index knows the addresses of events, which
// would cost every event that is accepted.
import { addressKey } from '../../address-key.ts'
import { concerns, type Keys, legible, mayHoldOne } from '../../engine/concerns.ts'
import type { Logger } from '../../logger.ts'
import { engineErrorOf } from './errors.ts'
import { removeEntries, removeEvents } from './removal.ts'
import { overtaken, type Store } from './store.ts'

// What a slice may look at: it is parsed on the host's own thread.
const mostRows = 200
const mostBytes = 2 ** 18

/** Rows after a seq, as many as a slice may hold, or one. `size` is the column that makes them large. */
const sliceOf = (table: string, columns: string, size: string): string => `
  SELECT seq::text, ${columns} FROM (
    SELECT *, sum(octet_length(${size})) OVER (ORDER BY seq) - octet_length(${size}) AS before
    FROM (SELECT seq, ${columns} FROM ${table} WHERE seq > $1::bigint ORDER BY seq LIMIT ${mostRows}) AS next_rows
  ) AS measured WHERE before <= ${mostBytes} ORDER BY measured.seq`

/** Calls `erase` with those of each slice that are meant. */
const walk = async <Row extends { seq: string }>(
  { pool }: Store,
  sql: string,
  isMeant: (row: Row) => boolean,
  erase: (seqs: string[]) => Promise<void>,
): Promise<void> => {
  for (let after: string | undefined = '0'; after !== undefined; ) {
    const rows: Row[] = (await pool.query(sql, [after])).rows
    const seqs = rows.filter(isMeant).map(({ seq }) => seq)
    if (seqs.length > 0) await erase(seqs)
    after = rows.at(-1)?.seq
  }
}

/** How many were still there. Whoever has one of them in work has lost it. */
const eraseEvents = (store: Store, seqs: readonly string[]): Promise<number> =>
  store.pool.transact(async (tx) => {
    const locked = await tx.query(
      `SELECT seq::text FROM ${store.schema}.events WHERE seq = ANY($1::bigint[]) ORDER BY events.seq FOR UPDATE`,
      [seqs],
    )
    const there = locked.rows.map(({ seq }) => seq)
    const dropped = await removeEntries(tx, store, there)
    const mails = await removeEvents(tx, store, there, Number.NEGATIVE_INFINITY)
    // Messages were gathered into another mail meanwhile.
    if (mails.length !== dropped.size || mails.some((id) => !dropped.has(id))) throw overtaken()
    return there.length
  })

/** A table of some hundred million rows takes hours. */
const vacuumMs = 6 * 60 * 60_000

const tables = ['events', 'deliveries', 'attempts', 'mails', 'quarantine']

/**
 * Rows that were deleted lie in their tables until they are vacuumed; from then on nothing can ask for them, and
 * their bytes are free to be overwritten. What the server keeps besides is its operator's: its log of writes (WAL)
 * with its archive, backups, replicas, and whoever reads in a transaction that began before.
 */
const vacuum = async ({ schema, pool }: Store, warn: Logger['warn']): Promise<void> => {
  for (const table of tables) {
    try {
      await pool.query(`VACUUM ${schema}.${table}`, [], vacuumMs)
    } catch (error) {
      warn(
        {
          database: pool.location,
          table: `${schema}.${table}`,
          reason: engineErrorOf(error, pool.location).message,
        },
        'what was erased cannot be read any more, but it stays in the files of its table until VACUUM is run',
      )
    }
  }
}

/** How many events it did. */
export const erase = async (
  store: Store,
  numbers: readonly string[],
  warn: Logger['warn'],
): Promise<number> => {
  const keys: Keys = numbers.map(addressKey).filter((key) => key !== '')
  if (keys.length === 0) return 0
  const { schema, pool } = store
  let erased = 0
  await walk<{ seq: string; event: string }>(
    store,
    sliceOf(`${schema}.events`, 'event', 'event'),
    ({ event }) => concerns(event, keys),
    async (seqs) => {
      erased += await eraseEvents(store, seqs)
    },
  )
  await walk<{ seq: string; reason: string; body: Buffer }>(
    store,
    sliceOf(`${schema}.quarantine`, 'reason, body', 'body'),
    ({ reason, body }) => mayHoldOne(`${reason} ${legible(body)}`, keys),
    async (seqs) => {
      await pool.query(`DELETE FROM ${schema}.quarantine WHERE seq = ANY($1::bigint[])`, [seqs])
    },
  )
  await vacuum(store, warn)
  return erased
}
