// The time of a queue in PostgreSQL, turned by hand: pg-boss's own override of its function `job_now()`.
import pg from 'pg'
import { PgBoss, TestClock } from 'pg-boss'

export type DatabaseClock = {
  /** Sets the hands, forward or back, to milliseconds since the Unix epoch. */
  set(at: number): Promise<void>
  /** Whether nobody on a URL of `manualUrl` with this name is in the midst of a query or a transaction. */
  isQuiet(name: string): Promise<boolean>
  end(): Promise<void>
}

/** Whose connections see the manual time, and go by this name. */
export const manualUrl = (url: string, name: string): string => {
  const manual = new URL(url)
  manual.searchParams.set('application_name', name)
  manual.searchParams.set('options', '-c pgboss.test_clock=on')
  return manual.href
}

/**
 * Creates pg-boss's schema and stops its time at `start`, before anybody has used it: what was stamped with the
 * real time would lie in the future. Connections of a `manualUrl` see this time, all others the real one.
 */
export const databaseClock = async (
  url: string,
  queueSchema: string,
  start: number,
): Promise<DatabaseClock> => {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  const db = { executeSql: (text: string, values?: unknown[]) => pool.query(text, values) }
  const boss = new PgBoss({ db, schema: queueSchema, supervise: false, schedule: false })
  await boss.start()
  await boss.stop({ graceful: false })
  const clock = new TestClock(start)
  await clock.attach({ db, schema: queueSchema })
  const busy = `SELECT FROM pg_stat_activity WHERE application_name = $1 AND state IS DISTINCT FROM 'idle'`
  return {
    set: (at) => clock.setTime(at),
    isQuiet: async (name) => (await pool.query(busy, [name])).rowCount === 0,
    end: () => pool.end(),
  }
}
