// A pool of connections to a real server, one of which is lost at a chosen moment.
import pg from 'pg'
import type { PostgresPool } from '../../lib/engines/postgres/pool.ts'

/** A connection is lost at the nth commit: before that reaches the server, or before its answer comes back. */
export const breakingPool = (url: string, nth: number, isBefore: boolean): PostgresPool => {
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  let commits = 0
  const connect = async () => {
    const client = await pool.connect()
    const query = async (text: string, values?: unknown[]) => {
      commits += text === 'COMMIT' ? 1 : 0
      if (text !== 'COMMIT' || commits !== nth) return client.query(text, values)
      if (!isBefore) await client.query(text)
      const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
      await pool.query('SELECT pg_terminate_backend($1)', [rows[0].pid])
      return client.query('SELECT')
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
