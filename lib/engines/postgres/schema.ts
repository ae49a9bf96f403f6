// The tables, as numbered migrations that only go forward, and bringing a schema up to date while any number of
// processes start and others go on working.
import type { Clock } from '../../clock.ts'
import { EngineError } from '../../errors.ts'
import { codeOf } from './errors.ts'
import type { Pool, Tx } from './pool.ts'

/**
 * The nth brings a schema from version n-1 to version n. A published one never changes. Each is a transaction: while it
 * runs nobody writes to the tables it changes, so nothing that takes long on a large one belongs here.
 *
 * `lease` is the token of whoever has it in work, null otherwise; `trying` and `sending` tell a try that was under
 * way from a wait in memory between two tries. When something is due is what pg-boss knows; `due_at` tells people.
 * Instants are milliseconds and may have fractions. Events, endpoints and outcomes are JSON. Hashes in `repeats` are
 * keyed with `hash_key`, and those that came from another store with that store's key, which is in `former_keys`.
 */
const migrations = (s: string): readonly string[] => [
  `CREATE TABLE ${s}.events (
     seq bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
     id text NOT NULL UNIQUE,
     hash bytea NOT NULL UNIQUE,
     gateway text NOT NULL,
     stored_at double precision NOT NULL,
     event text NOT NULL,
     has_text boolean NOT NULL DEFAULT true,
     has_media boolean NOT NULL
   );
   CREATE INDEX events_age ON ${s}.events (has_text, stored_at, seq);
   CREATE INDEX events_media ON ${s}.events (stored_at, seq) WHERE has_media;

   CREATE TABLE ${s}.mails (
     id uuid PRIMARY KEY,
     seq bigint NOT NULL UNIQUE GENERATED ALWAYS AS IDENTITY,
     recipients text NOT NULL,
     message_id text NOT NULL,
     state text NOT NULL DEFAULT 'pending',
     tries integer NOT NULL DEFAULT 0,
     interruptions integer NOT NULL DEFAULT 0,
     sending boolean NOT NULL DEFAULT false,
     created_at double precision NOT NULL,
     begun_at double precision,
     due_at double precision,
     lease text,
     ended_at double precision,
     outcome text
   );
   CREATE INDEX mails_pending ON ${s}.mails (md5(recipients), seq) WHERE state = 'pending';
   CREATE INDEX mails_begun ON ${s}.mails (md5(recipients), begun_at) WHERE begun_at IS NOT NULL;
   CREATE INDEX mails_ended ON ${s}.mails (md5(recipients), ended_at) WHERE begun_at IS NOT NULL;
   CREATE INDEX mails_suspect ON ${s}.mails (interruptions) WHERE state = 'pending' AND interruptions >= 2;

   CREATE TABLE ${s}.deliveries (
     id uuid PRIMARY KEY,
     seq bigint NOT NULL UNIQUE GENERATED ALWAYS AS IDENTITY,
     event bigint NOT NULL REFERENCES ${s}.events,
     endpoint_id text NOT NULL,
     kind text NOT NULL,
     endpoint text NOT NULL,
     state text NOT NULL DEFAULT 'pending',
     tries integer NOT NULL DEFAULT 0,
     interruptions integer NOT NULL DEFAULT 0,
     round integer NOT NULL DEFAULT 1,
     created_at double precision NOT NULL,
     due_at double precision,
     lease text,
     trying boolean NOT NULL DEFAULT false,
     ended_at double precision,
     reason text,
     mail uuid REFERENCES ${s}.mails DEFERRABLE INITIALLY DEFERRED,
     UNIQUE (event, endpoint_id)
   );
   CREATE INDEX deliveries_pending ON ${s}.deliveries (seq) WHERE state = 'pending';
   CREATE INDEX deliveries_leased ON ${s}.deliveries (endpoint_id) WHERE lease IS NOT NULL;
   CREATE INDEX deliveries_mail ON ${s}.deliveries (mail) WHERE mail IS NOT NULL;

   CREATE TABLE ${s}.attempts (
     delivery uuid NOT NULL REFERENCES ${s}.deliveries,
     round integer NOT NULL,
     n integer NOT NULL,
     started_at double precision NOT NULL,
     took_ms double precision NOT NULL,
     outcome text NOT NULL,
     PRIMARY KEY (delivery, round, n)
   );

   CREATE TABLE ${s}.quarantine (
     seq bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
     hash bytea NOT NULL UNIQUE,
     gateway text NOT NULL,
     method text NOT NULL,
     content_type text NOT NULL,
     received_at text NOT NULL,
     reason text NOT NULL,
     body bytea NOT NULL
   );

   CREATE TABLE ${s}.repeats (
     hash bytea PRIMARY KEY,
     stored_at double precision NOT NULL
   );
   CREATE INDEX repeats_age ON ${s}.repeats (stored_at);
   CREATE TABLE ${s}.hash_key (key bytea NOT NULL);
   INSERT INTO ${s}.hash_key
     SELECT sha256(convert_to(string_agg(gen_random_uuid()::text, ''), 'UTF8')) FROM generate_series(1, 4);
   CREATE TABLE ${s}.former_keys (key bytea PRIMARY KEY);

   CREATE TABLE ${s}.handlers (
     endpoint_id text PRIMARY KEY,
     seen_at timestamptz NOT NULL
   );`,
]

/** Whoever changes the schema, or has pg-boss change its own, holds this lock. */
export const schemaLock = (schema: string): string => `hashtext('smshook:${schema}:schema')`

/** How long a step waits for a lock: whoever comes after it waits as long. */
const lockSeconds = 1
const pauseMs = 500
/** How often a step is tried again when somebody else works on its tables for longer. */
const mostTries = 30

/** Asked first: to create one that is there takes the right to create others. */
export const hasSchema = async ({ query }: Pick<Tx, 'query'>, schema: string): Promise<boolean> =>
  (await query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema])).rows.length > 0

/** Whoever else changes it has to wait until the transaction ends. */
const versionOf = async (tx: Tx, schema: string): Promise<number> => {
  const table = await tx.query('SELECT to_regclass($1) IS NOT NULL AS known', [`${schema}.version`])
  if (!table.rows[0].known) return 0
  const { rows } = await tx.query(`SELECT version FROM ${schema}.version FOR UPDATE`)
  return rows[0].version
}

const isLocked = (error: unknown): boolean => codeOf(error) === '55P03'

/**
 * Brings the schema up to date, step by step, each at once or not at all. The caller holds the `schemaLock`. Throws an
 * EngineError when a newer smshook wrote it.
 */
export const migrate = async (
  { pool, schema, clock }: { pool: Pool; schema: string; clock: Clock },
  steps: readonly string[] = migrations(schema),
): Promise<void> => {
  /** Answers whether there is more to do. */
  const step = () =>
    pool.transact(async (tx) => {
      const version = await versionOf(tx, schema)
      if (version > steps.length)
        throw new EngineError(
          'engine-newer',
          `The schema ${schema} of ${pool.location} has version ${version} and this smshook knows versions up to ${steps.length}: a newer smshook wrote it. Install that smshook or a later one, or give postgres() another schema.`,
        )
      if (version === steps.length) return false
      if (version === 0) {
        if (!(await hasSchema(tx, schema))) await tx.query(`CREATE SCHEMA ${schema}`)
        await tx.query(`CREATE TABLE ${schema}.version (version integer NOT NULL);
          INSERT INTO ${schema}.version VALUES (0)`)
      }
      await tx.query(`SET LOCAL lock_timeout = '${lockSeconds}s'; ${steps[version]}`)
      await tx.query(`UPDATE ${schema}.version SET version = $1`, [version + 1])
      return version + 1 < steps.length
    })

  for (let left = mostTries; ; ) {
    try {
      if (!(await step())) return
    } catch (error) {
      if (left === 0 || !isLocked(error)) throw error
      left -= 1
      await clock.sleep(pauseMs)
    }
  }
}
