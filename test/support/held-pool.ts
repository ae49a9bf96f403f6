// A pool of connections to a real server on which the first statement of a kind is held up.
import pg from 'pg'
import type { PostgresPool } from '../../lib/engines/postgres/pool.ts'

/** Statements that match wait for `meanwhile`, the first time one does. */
export const heldPool = (url: string, kind: RegExp, meanwhile: () => Promise<void>): PostgresPool => {
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  let isHeld = false
  const connect = async () => {
    const client = await pool.connect()
    const query = async (question: string | pg.QueryConfig, values?: unknown[]) => {
      const text = typeof question === 'string' ? question : question.text
      if (!isHeld && kind.test(text)) {
        isHeld = true
        await meanwhile()
      }
      return client.query(question, values)
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
