// A pool of connections to a real server whose statements pass through a function of the test.
import pg from 'pg'
import type { PostgresPool } from '../../lib/engines/postgres/pool.ts'

type Ask = (text: string) => Promise<pg.QueryResult>
/** Is given the text of a statement, what asks it, what asks another one on this connection, and the pool. */
type Watcher = (text: string, ask: () => Promise<pg.QueryResult>, other: Ask, pool: pg.Pool) => unknown

export const watchedPool = (url: string, watcher: Watcher): PostgresPool => {
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  const connect = async () => {
    const client = await pool.connect()
    const query = async (question: string | pg.QueryConfig, values?: unknown[]) => {
      const text = typeof question === 'string' ? question : question.text
      return watcher(
        text,
        () => client.query(question, values),
        (one) => client.query(one),
        pool,
      )
    }
    return new Proxy(client, {
      get: (on, name) => {
        if (name === 'query') return query
        const value = Reflect.get(on, name)
        return typeof value === 'function' ? value.bind(on) : value
      },
    })
  }
  return {
    connect,
    end: () => pool.end(),
    on: pool.on.bind(pool),
    removeListener: pool.removeListener.bind(pool),
    options: pool.options,
  } as PostgresPool
}

/** Statements that match wait for `meanwhile`, the first time one does. */
export const heldPool = (url: string, kind: RegExp, meanwhile: () => Promise<void>): PostgresPool => {
  let isHeld = false
  return watchedPool(url, async (text, ask) => {
    if (!isHeld && kind.test(text)) {
      isHeld = true
      await meanwhile()
    }
    return ask()
  })
}

/** A connection is lost at the nth commit: before that reaches the server, or before its answer comes back. */
export const breakingPool = (url: string, nth: number, isBefore: boolean): PostgresPool => {
  let commits = 0
  return watchedPool(url, async (text, ask, other, pool) => {
    commits += text === 'COMMIT' ? 1 : 0
    if (text !== 'COMMIT' || commits !== nth) return ask()
    if (!isBefore) await ask()
    const { rows } = await other('SELECT pg_backend_pid() AS pid')
    await pool.query('SELECT pg_terminate_backend($1)', [rows[0].pid])
    return other('SELECT')
  })
}
