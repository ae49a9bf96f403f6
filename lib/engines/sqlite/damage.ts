// What to do about a damaged file, for whoever is woken at night.
import { basename, dirname } from 'node:path'
import { EngineError } from '../../errors.ts'
import { applicationId, migrations } from './schema.ts'

// `.recover` would save more, but fails in the shell of some distributions. What lost what it belongs to goes.
const ending = `DELETE FROM deliveries WHERE event NOT IN (SELECT seq FROM events); DELETE FROM attempts WHERE delivery NOT IN (SELECT seq FROM deliveries); PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length};`

/** Commands that copy what can be read to a new file and put that in the place of the damaged one. */
const rescue = (path: string): string => {
  const file = `'${basename(path)}'`
  return [
    `cd '${dirname(path)}'; umask 077`,
    `{ sqlite3 ${file} .dump | sed 's/^ROLLBACK; -- due to errors$/COMMIT;/'; echo '${ending}'; } | sqlite3 mended.db`,
    `mkdir damaged; mv ${file} ${file}-* damaged/; mv mended.db ${file}`,
  ].join('; ')
}

export const damaged = (path: string, said: string): EngineError =>
  new EngineError(
    'engine-damaged',
    `${path} is damaged (${said}). It is left as it is, and nothing is stored until it is mended or a backup is in its place, without the -wal that lies there now; that is noticed within seconds. To save what can be read: ${rescue(path)}`,
  )
