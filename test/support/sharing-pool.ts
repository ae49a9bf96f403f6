// A pool of connections to a real server behind which a pooler shares sessions, as PgBouncer does in its mode
// `transaction`: each statement that is in no transaction may run on another session.
import pg from 'pg'
import type { PostgresPool } from '../../lib/engines/postgres/pool.ts'

export const sharingPool = (url: string): PostgresPool => {
  const pool = new pg.Pool({ connectionString: url, max: 8, idleTimeoutMillis: 0 })
  const free: pg.PoolClient[] = []
  const opened = async () => {
    const one = await pool.connect()
    one.on('error', () => {})
    return one
  }
  const connect = async () => {
    let session: pg.PoolClient | null = null
    const query = async (question: string | pg.QueryConfig, values?: unknown[]) => {
      const text = typeof question === 'string' ? question : question.text
      // The one that has been free for the longest.
      const on: pg.PoolClient = session ?? (free.length > 3 ? free.shift()! : await opened())
      if (/^\s*BEGIN/.test(text)) session = on
      if (/(COMMIT|ROLLBACK);?\s*$/.test(text)) session = null
      try {
        return await on.query(question, values)
      } finally {
        if (session === null) free.push(on)
      }
    }
    return { query, on: () => {}, removeListener: () => {}, release: () => {} }
  }
  return {
    connect,
    end: async () => {
      for (const one of free) one.release()
      await pool.end()
    },
    on: pool.on.bind(pool),
    removeListener: pool.removeListener.bind(pool),
    options: pool.options,
  } as unknown as PostgresPool
}
