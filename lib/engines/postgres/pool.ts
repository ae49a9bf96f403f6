// The connections: a pool of our own or the host's, and transactions that end in time. The only file that loads pg.
import type { Clock } from '../../clock.ts'
import { OptionsError } from '../../errors.ts'
import { isAway, isDeadlock } from './errors.ts'
import { type Types, types } from './types.ts'

/** What a statement answers. */
// biome-ignore lint/suspicious/noExplicitAny: rows are what the statement selects
export type Answer = { rows: any[]; rowCount?: number | null }

/** A connection of the `pg` package, or what looks like one. */
export type PostgresClient = { query(text: string, values?: unknown[]): Promise<Answer> }

type Event = 'error' | 'end' | 'notification'
type Connection = PostgresClient & {
  query(question: { text: string; values?: unknown[] | undefined; types: Types }): Promise<Answer>
  on(event: Event, listener: (one: { payload?: string }) => void): unknown
  removeListener(event: Event, listener: (one: never) => void): unknown
}
type PooledConnection = Connection & { release(error?: Error | boolean): void }
type OwnConnection = Connection & { connect(): Promise<unknown>; end(): Promise<void>; unref(): void }

/** A pool of the `pg` package. */
export type PostgresPool = {
  connect(): Promise<PostgresClient & { release(error?: Error | boolean): void }>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  readonly options: {
    max?: number | undefined
    connectionString?: string | undefined
    host?: string | undefined
    database?: string | undefined
  }
}

export type Tx = PostgresClient & {
  /** A statement that runs together with the COMMIT. */
  atEnd?(statement: string): void
}

export type Pool = {
  /** The server and the database, without a password. */
  readonly location: string
  /**
   * Runs `work` between BEGIN and COMMIT; again where it met a deadlock. `begin` runs together with the BEGIN, and
   * `work` gets what its last statement answered.
   */
  transact<T>(work: (tx: Tx, begun: Answer) => Promise<T>, begin?: string): Promise<T>
  /** Runs `work` while no other process is within the same lock. */
  locked<T>(lock: string, work: () => Promise<T>): Promise<T>
  /** One statement by itself, which may take `mostMs`. */
  query(text: string, values?: unknown[], mostMs?: number): Promise<Answer>
  /** A connection of its own that hears of `channel`; `onEnd` is called once when it is lost. Answers what ends it. */
  listen(channel: string, onNotice: () => void, onEnd: () => void): Promise<() => Promise<void>>
  close(): Promise<void>
}

/** How long a transaction may take in all: a server that says nothing any more is not waited for. */
const transactionMs = 15_000
/** How long the schemas may take, of which many processes that start at once wait for one. */
const startMs = 120_000
/** How long a free connection is waited for. */
const connectMs = 3_000
/** How long a stopped process may keep what it has locked. */
const idleSeconds = 10
const mostConnections = 8
/** While one waits for the schemas others prepare them; then accepting, claiming, settling and reading take one each. */
export const fewestConnections = 4
const mostTries = 5

export const installing = 'npm install pg pg-boss@12'

const isMissing = (error: unknown): boolean => (error as { code?: unknown }).code === 'ERR_MODULE_NOT_FOUND'

/**
 * For an `import` of an optional package: throws an OptionsError that says what to install. Bundlers leave an import
 * with a `catch` behind it to run time.
 */
export const orMissing =
  (name: string) =>
  (error: unknown): never => {
    if (!isMissing(error)) throw error
    throw new OptionsError(
      'options-invalid',
      `postgres() needs the packages pg and pg-boss, and ${name} cannot be loaded. Run: ${installing}`,
      { cause: error },
    )
  }

/** Before 8.15 it had no names to import. */
const loadPg = async () => {
  const module = await import('pg').catch(orMissing('pg'))
  return module.default ?? module
}

/** With one of `/?#` in its password, a URL has its host in the wrong place. */
export const isReadable = (url: string): boolean => {
  if (!URL.canParse(url)) return false
  const { host, pathname, search, hash } = new URL(url)
  return host !== '' && !`${pathname}${search}${hash}`.includes('@')
}

/** Without a password. */
export const locationOf = ({
  url,
  pool,
}: {
  url?: string | undefined
  pool?: PostgresPool | undefined
}): string => {
  const { connectionString = url, host: server, database = '' } = pool?.options ?? {}
  if (connectionString === undefined && server) return `PostgreSQL at ${server}/${database}`
  if (connectionString === undefined || !isReadable(connectionString)) return 'the PostgreSQL database'
  const { host, pathname } = new URL(connectionString)
  return `PostgreSQL at ${host}${pathname}`
}

const ownPool = async (url: string): Promise<PostgresPool> => {
  const { Pool } = await loadPg()
  return new Pool({
    connectionString: url,
    max: mostConnections,
    connectionTimeoutMillis: connectMs,
    keepAlive: true,
    // Of a pool that was closed, connections to a server that says nothing are left.
    allowExitOnIdle: true,
    application_name: 'smshook',
  })
}

/** Exactly one of `url` and `pool`; a pool stays open when ours is closed. Rejects with an OptionsError where pg is missing. */
export const openPool = async (
  { url, pool: given }: { url?: string | undefined; pool?: PostgresPool | undefined },
  clock: Clock,
  onError: (error: Error) => void,
): Promise<Pool> => {
  const pool = given ?? (await ownPool(url!))
  // What nobody listens to would end the process.
  pool.on('error', onError)

  /** The server may say nothing any more, and pg would wait for it. */
  const inTime = <T>(answer: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const cancel = clock.after(connectMs, () => reject(new Error('the server did not answer in time')))
      answer.then(resolve, reject).finally(cancel)
    })

  const connect = () =>
    new Promise<PooledConnection>((resolve, reject) => {
      let isLate = false
      const cancel = clock.after(connectMs, () => {
        isLate = true
        reject(new Error('no connection became free in time'))
      })
      pool.connect().then(
        (client) => {
          cancel()
          if (isLate) client.release()
          else resolve(client as PooledConnection)
        },
        (error) => {
          cancel()
          reject(error)
        },
      )
    })

  /** A connection that failed is not given back to the pool: nobody knows what it is in the middle of. */
  const withConnection = async <T>(
    work: (client: PooledConnection) => Promise<T>,
    mostMs = transactionMs,
  ): Promise<T> => {
    const client = await connect()
    let isOver = false
    let late: Error | null = null
    const end = (error?: Error) => {
      if (isOver) return
      isOver = true
      cancel()
      client.removeListener('error', onError)
      client.release(error)
    }
    client.on('error', onError as () => void)
    const cancel = clock.after(mostMs, () => {
      late = new Error('the server did not answer in time')
      end(late)
    })
    try {
      const value = await work(client)
      end()
      return value
    } catch (error) {
      if (!isAway(error)) await client.query('ROLLBACK').then(() => end(), end)
      end(error as Error)
      throw late ?? error
    }
  }

  const ask = (client: PooledConnection, text: string, values?: unknown[]) =>
    client.query({ text, values, types })

  const once = <T>(work: (tx: Tx, begun: Answer) => Promise<T>, begin: string): Promise<T> =>
    withConnection(async (client) => {
      const answers = await ask(
        client,
        `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '${idleSeconds}s'; ${begin}`,
      )
      const end: string[] = []
      const tx: Tx = {
        query: (text, values) => ask(client, text, values),
        atEnd: (statement) => end.push(statement),
      }
      // Several statements answer a list.
      const value = await work(tx, (answers as unknown as Answer[]).at(-1)!)
      await client.query([...end, 'COMMIT'].join('; '))
      return value
    })

  const transact = async <T>(work: (tx: Tx, begun: Answer) => Promise<T>, begin = ''): Promise<T> => {
    for (let left = mostTries; ; left -= 1) {
      try {
        return await once(work, begin)
      } catch (error) {
        if (left === 0 || !isDeadlock(error)) throw error
      }
    }
  }

  return {
    location: locationOf({ url, pool: given }),
    transact,
    locked: (lock, work) =>
      withConnection(async (client) => {
        // Of the transaction: a pooler that shares sessions would have a session's lock released on another one.
        await client.query(
          `BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0;
           SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(${lock})`,
        )
        const value = await work()
        await client.query('COMMIT')
        return value
      }, startMs),
    query: (text, values, mostMs) => withConnection((client) => ask(client, text, values), mostMs),
    async listen(channel, onNotice, onEnd) {
      const { Client } = await loadPg()
      const client = new Client(pool.options as object) as unknown as OwnConnection
      let isOpen = true
      const over = () => {
        if (!isOpen) return
        isOpen = false
        client.end().catch(() => {})
        onEnd()
      }
      client.on('error', over)
      client.on('end', over)
      client.on('notification', onNotice)
      await inTime(client.connect().then(() => client.query(`LISTEN ${channel}`))).catch((error) => {
        over()
        throw error
      })
      return async () => {
        isOpen = false
        await inTime(client.end()).catch(() => client.unref())
      }
    },
    async close() {
      if (given) (pool as unknown as Connection).removeListener('error', onError)
      else await pool.end()
    },
  }
}
