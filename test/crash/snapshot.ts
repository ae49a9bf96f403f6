// What the database file of a killed app holds, read from a copy, so that the app itself has to recover it.
import { copyFileSync, existsSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { nameOf } from './outside.ts'

export type Stored = { identity: string; endpoints: string[] }

/** A lease under which the process died; `isTrying` tells a try from a wait between two. */
export type Held = { name: string; lease: string; isTrying: boolean }

export type Snapshot = {
  /** What SQLite finds wrong with the file. */
  damage: unknown[]
  events: Stored[]
  deliveries: Held[]
  /** Named by their Message-IDs. */
  mails: Held[]
}

type Row = { identity: string; endpoint: string; lease: string; trying: number }

const read = (path: string): Snapshot => {
  const db = new DatabaseSync(path)
  try {
    const rows = <Shape>(sql: string) => db.prepare(sql).all() as Shape[]
    const [answer] = rows<{ integrity_check: string }>('PRAGMA integrity_check')
    const damage = [
      ...(answer!.integrity_check === 'ok' ? [] : [answer]),
      ...rows<object>('PRAGMA foreign_key_check'),
    ]
    const hasTables = rows("SELECT 1 FROM sqlite_schema WHERE name = 'deliveries'").length > 0
    if (!hasTables) return { damage, events: [], deliveries: [], mails: [] }
    const events = rows<{ identity: string; endpoints: string | null }>(`
      SELECT e.identity, group_concat(d.endpoint_id) AS endpoints
      FROM events e LEFT JOIN deliveries d ON d.event = e.seq GROUP BY e.seq`)
    const deliveries = rows<Row>(`
      SELECT e.identity, d.endpoint_id AS endpoint, d.lease, d.trying
      FROM deliveries d JOIN events e ON e.seq = d.event WHERE d.lease IS NOT NULL`)
    const mails = rows<{ name: string; lease: string }>(
      'SELECT message_id AS name, lease FROM mails WHERE lease IS NOT NULL',
    )
    return {
      damage,
      events: events.map(({ identity, endpoints }) => ({
        identity,
        endpoints: endpoints?.split(',').sort() ?? [],
      })),
      deliveries: deliveries.map(({ identity, endpoint, lease, trying }) => ({
        name: nameOf(endpoint, identity),
        lease,
        isTrying: trying === 1,
      })),
      mails: mails.map((mail) => ({ ...mail, isTrying: true })),
    }
  } finally {
    db.close()
  }
}

/** Call it while no process has the file open. */
export const snapshot = (file: string): Snapshot => {
  const copy = `${file}.copy`
  for (const end of ['', '-wal']) {
    rmSync(copy + end, { force: true })
    if (existsSync(file + end)) copyFileSync(file + end, copy + end)
  }
  rmSync(`${copy}-shm`, { force: true })
  return read(copy)
}
