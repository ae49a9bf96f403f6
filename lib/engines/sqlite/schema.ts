// The tables, as numbered migrations that only go forward, and the opening of a database file: whether it is
// ours, how it is set up, and what has to be brought up to date.
import { DatabaseSync } from 'node:sqlite'
import { EngineError } from '../../errors.ts'
import { isBusy } from './errors.ts'

/** `PRAGMA application_id` of our files: "SMSH". */
export const applicationId = 0x534d5348

/** How long a statement waits for another process; a little less than the 5 s in which a sender gives up. */
export const busyMs = 4500

/**
 * The nth brings a file from version n-1 to version n. A published one never changes.
 *
 * `due_at` is the schedule. `ready_at` is what is searched: `due_at` while nobody works on the row, and the end
 * of the lease while somebody does, so that a lease that ran out is simply due. `trying` tells a try that was
 * under way from a wait in memory between two tries. Instants are milliseconds and may have fractions.
 */
export const migrations: readonly string[] = [
  `CREATE TABLE owner (
     epoch INTEGER NOT NULL,
     locked INTEGER NOT NULL
   ) STRICT;
   INSERT INTO owner VALUES (0, 1);

   CREATE TABLE events (
     seq INTEGER PRIMARY KEY,
     id TEXT NOT NULL UNIQUE,
     gateway TEXT NOT NULL,
     identity TEXT NOT NULL,
     stored_at REAL NOT NULL,
     event TEXT NOT NULL,
     UNIQUE (gateway, identity)
   ) STRICT;

   CREATE TABLE mails (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     recipients TEXT NOT NULL,
     message_id TEXT NOT NULL,
     state TEXT NOT NULL DEFAULT 'pending',
     tries INTEGER NOT NULL DEFAULT 0,
     created_at REAL NOT NULL,
     due_at REAL,
     ready_at REAL,
     lease TEXT,
     ended_at REAL,
     outcome TEXT
   ) STRICT;
   CREATE INDEX mails_ready ON mails (ready_at) WHERE state = 'pending';

   CREATE TABLE deliveries (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     event INTEGER NOT NULL REFERENCES events,
     endpoint_id TEXT NOT NULL,
     endpoint TEXT NOT NULL,
     state TEXT NOT NULL DEFAULT 'pending',
     tries INTEGER NOT NULL DEFAULT 0,
     interruptions INTEGER NOT NULL DEFAULT 0,
     round INTEGER NOT NULL DEFAULT 1,
     created_at REAL NOT NULL,
     due_at REAL,
     ready_at REAL,
     lease TEXT,
     trying INTEGER NOT NULL DEFAULT 0,
     ended_at REAL,
     reason TEXT,
     mail INTEGER REFERENCES mails,
     retry INTEGER NOT NULL GENERATED ALWAYS AS (tries > 0) VIRTUAL,
     UNIQUE (event, endpoint_id)
   ) STRICT;
   CREATE INDEX deliveries_ready ON deliveries (endpoint_id, retry, ready_at) WHERE state = 'pending';
   CREATE INDEX deliveries_state ON deliveries (state);
   CREATE INDEX deliveries_mail ON deliveries (mail) WHERE mail IS NOT NULL;

   CREATE TABLE attempts (
     delivery INTEGER NOT NULL REFERENCES deliveries,
     round INTEGER NOT NULL,
     n INTEGER NOT NULL,
     started_at REAL NOT NULL,
     took_ms REAL NOT NULL,
     outcome TEXT NOT NULL,
     PRIMARY KEY (delivery, round, n)
   ) STRICT, WITHOUT ROWID;

   CREATE TABLE quarantine (
     seq INTEGER PRIMARY KEY,
     hash BLOB NOT NULL UNIQUE,
     gateway TEXT NOT NULL,
     method TEXT NOT NULL,
     content_type TEXT NOT NULL,
     received_at TEXT NOT NULL,
     reason TEXT NOT NULL,
     body BLOB NOT NULL
   ) STRICT;`,

  // `has_text` is 1 until the text was pruned; the index grows at its end only, which costs accepting least. Of
  // an event that is gone a keyed hash stays; the key is made when the first one goes.
  `ALTER TABLE events ADD COLUMN has_text INTEGER NOT NULL DEFAULT 1;
   ALTER TABLE events ADD COLUMN has_media INTEGER NOT NULL DEFAULT 0;
   UPDATE events SET has_media = 1 WHERE iif(json_valid(event), json_array_length(event, '$.media'), 0) > 0;
   CREATE INDEX events_age ON events (has_text, stored_at);
   CREATE INDEX events_media ON events (stored_at) WHERE has_media = 1;
   DELETE FROM mails WHERE state <> 'pending' AND NOT EXISTS (SELECT 1 FROM deliveries WHERE mail = mails.seq);

   CREATE TABLE repeats (
     hash BLOB PRIMARY KEY,
     stored_at REAL NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX repeats_age ON repeats (stored_at);
   CREATE TABLE repeat_key (key BLOB NOT NULL) STRICT;`,

  // `sending` tells a lease that ended without an outcome. What has begun once is never gathered into a digest;
  // `begun_at` also tells when the last mail went to somebody.
  `ALTER TABLE mails ADD COLUMN interruptions INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE mails ADD COLUMN sending INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE mails ADD COLUMN begun_at REAL;
   UPDATE mails SET begun_at = created_at WHERE tries > 0 OR lease IS NOT NULL;
   CREATE INDEX mails_waiting ON mails (recipients) WHERE state = 'pending' AND begun_at IS NULL;
   CREATE INDEX mails_begun ON mails (recipients, begun_at) WHERE begun_at IS NOT NULL;
   CREATE INDEX mails_over ON mails (recipients, ended_at) WHERE begun_at IS NOT NULL;
   CREATE INDEX mails_suspect ON mails (interruptions) WHERE state = 'pending' AND interruptions >= 2;`,
]

const pragma = (db: DatabaseSync, name: string): number =>
  Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])

/** Refuses a file that this version must not touch. Answers the version that the file has, 0 when empty. */
const versionOf = (db: DatabaseSync, path: string, newest: number): number => {
  const version = pragma(db, 'user_version')
  const application = pragma(db, 'application_id')
  if (application !== applicationId) {
    const isEmpty = db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined
    if (isEmpty && application === 0 && version === 0) return 0
    throw new EngineError(
      'engine-foreign',
      `${path} is the database of another application; smshook has left it alone. Give sqlite() a path of its own.`,
    )
  }
  if (version <= newest) return version
  throw new EngineError(
    'engine-newer',
    `${path} has version ${version} and this smshook knows versions up to ${newest}: a newer smshook wrote it. Install that smshook or a later one, or give sqlite() another path.`,
  )
}

/** Brings the file up to date, at once or not at all; of several processes that try, one does it. */
export const migrate = (db: DatabaseSync, path: string, steps: readonly string[] = migrations): void => {
  if (versionOf(db, path, steps.length) === steps.length) return
  db.exec('BEGIN IMMEDIATE')
  try {
    const version = versionOf(db, path, steps.length)
    for (const step of steps.slice(version)) db.exec(step)
    db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${steps.length}; COMMIT`)
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

// A commit is on disk when it returns, except one that only leases: FULL in WAL flushes at every commit, and
// fullfsync makes macOS flush the drive's own cache too. A checkpoint each 16 MB instead of each 4 costs a third
// less time per stored event. What is deleted is overwritten.
const setup = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA fullfsync = ON;
  PRAGMA checkpoint_fullfsync = ON;
  PRAGMA foreign_keys = ON;
  PRAGMA secure_delete = ON;
  PRAGMA temp_store = MEMORY;
  PRAGMA wal_autocheckpoint = 4000;`

const openOnce = (path: string): DatabaseSync => {
  const db = new DatabaseSync(path, { timeout: 0 })
  try {
    versionOf(db, path, migrations.length)
    db.exec(setup)
    migrate(db, path)
    db.exec(`PRAGMA busy_timeout = ${busyMs}`)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

const pause = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

const pauseMs = 20

/**
 * Opens and updates a database. SQLite's own waiting does not cover two processes that turn the same new file
 * to WAL, nor one that leaves while another comes, hence the repeats. Throws an EngineError or SQLite's error.
 */
export const openDatabase = (path: string): DatabaseSync => {
  for (let left = busyMs / pauseMs; ; left -= 1) {
    try {
      return openOnce(path)
    } catch (error) {
      if (left <= 0 || !isBusy(error)) throw error
      pause(pauseMs)
    }
  }
}
