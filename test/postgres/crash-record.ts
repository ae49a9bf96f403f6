// What the database itself records of who claimed what, and what a killed process left in it. The processes are told
// apart by the names under which they are connected.
import pg from 'pg'
import { nameOf } from '../crash/outside.ts'
import type { Held, Snapshot } from '../crash/snapshot.ts'

/** `at` is milliseconds since the Unix epoch. */
export type Claimed = { id: string; lease: string; app: string; at: number }
/** A lease that a kill cut off, of the delivery or mail with this id. */
export type Cut = Held & { id: string }

export type Record = {
  /** What this app had in work when it died; resolves once none of its connections is left. */
  cutOff(app: string): Promise<{ deliveries: Cut[]; mails: Cut[] }>
  /** How many deliveries are not over, and how many of these leases nobody has taken over yet. */
  waiting(leases: readonly string[]): Promise<{ pending: number; left: number }>
  /** The names of those that are still to be tried. */
  pending(): Promise<Set<string>>
  isInMail(app: string): Promise<boolean>
  claims(): Promise<Claimed[]>
  stored(): Promise<Snapshot>
  end(): Promise<void>
}

const recording = ['deliveries', 'mails'].map(
  (table) => `
  CREATE TRIGGER record AFTER UPDATE OF lease ON smshook.${table} FOR EACH ROW
    WHEN (NEW.lease IS NOT NULL AND NEW.lease IS DISTINCT FROM OLD.lease) EXECUTE FUNCTION record.claim()`,
)

/** For a database that an app has been opened on. */
export const startRecord = async (url: string): Promise<Record> => {
  const pool = new pg.Pool({ connectionString: url, max: 4, application_name: 'record' })
  const rows = async <Row>(sql: string, values: unknown[] = []): Promise<Row[]> =>
    (await pool.query(sql, values)).rows
  await pool.query(`
    CREATE SCHEMA record;
    CREATE TABLE record.claims (id uuid, lease text, app text, at double precision);
    CREATE INDEX ON record.claims (app);
    CREATE FUNCTION record.claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO record.claims VALUES (NEW.id, NEW.lease, current_setting('application_name'),
        extract(epoch FROM clock_timestamp()) * 1000);
      RETURN NULL;
    END $$;
    ${recording.join(';')}`)

  const hasLeft = async (app: string): Promise<boolean> => {
    const left = await rows('SELECT FROM pg_stat_activity WHERE application_name = $1', [app])
    return left.length === 0
  }

  return {
    async cutOff(app) {
      while (!(await hasLeft(app)));
      const deliveries = await rows<Cut & { endpoint: string; identity: string }>(
        `SELECT d.id, d.lease, d.trying AS "isTrying", d.endpoint_id AS endpoint, e.event::json ->> 'identity' AS identity
         FROM smshook.deliveries d JOIN smshook.events e ON e.seq = d.event
         JOIN record.claims c ON c.id = d.id AND c.lease = d.lease WHERE c.app = $1`,
        [app],
      )
      const mails = await rows<Cut>(
        `SELECT m.id, m.lease, m.message_id AS name, m.sending AS "isTrying" FROM smshook.mails m
         JOIN record.claims c ON c.id = m.id AND c.lease = m.lease WHERE c.app = $1`,
        [app],
      )
      return {
        deliveries: deliveries.map(({ endpoint, identity, ...cut }) => ({
          ...cut,
          name: nameOf(endpoint, identity),
        })),
        mails,
      }
    },
    async waiting(leases) {
      const [counts] = await rows<{ pending: number; left: number }>(
        `SELECT (SELECT count(*)::int FROM smshook.deliveries WHERE state IN ('pending', 'mailing')) AS pending,
           (SELECT count(*)::int FROM smshook.deliveries WHERE lease = ANY($1))
           + (SELECT count(*)::int FROM smshook.mails WHERE lease = ANY($1)) AS left`,
        [leases],
      )
      return counts!
    },
    async pending() {
      const pending = await rows<{ endpoint: string; identity: string }>(
        `SELECT d.endpoint_id AS endpoint, e.event::json ->> 'identity' AS identity
         FROM smshook.deliveries d JOIN smshook.events e ON e.seq = d.event WHERE d.state = 'pending'`,
      )
      return new Set(pending.map(({ endpoint, identity }) => nameOf(endpoint, identity)))
    },
    async isInMail(app) {
      const mails = await rows(
        `SELECT FROM smshook.mails m JOIN record.claims c ON c.id = m.id AND c.lease = m.lease
         WHERE m.sending AND c.app = $1`,
        [app],
      )
      return mails.length > 0
    },
    claims: () => rows('SELECT * FROM record.claims ORDER BY at'),
    async stored() {
      const events = await rows<{ identity: string; endpoints: string[] }>(
        `SELECT e.event::json ->> 'identity' AS identity, array_agg(d.endpoint_id ORDER BY d.endpoint_id) AS endpoints
         FROM smshook.events e LEFT JOIN smshook.deliveries d ON d.event = e.seq GROUP BY e.seq`,
      )
      return { damage: [], events, deliveries: [], mails: [] }
    },
    end: () => pool.end(),
  }
}
