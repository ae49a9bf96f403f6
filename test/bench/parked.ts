// Bench: parked. What a backlog of deliveries that wait for hours costs a process that starts on it: memory, the
// start, and each claim.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openDatabase } from '../../lib/engines/sqlite/schema.ts'
import { startChild } from './child.ts'
import { newEvent } from './event.ts'
import { fixed, percentile, printAim, printTable, whole } from './table.ts'

const backlogs = [0, 1_000, 10_000, 100_000, 1_000_000]
/** Endpoints that share the backlog. */
const endpoints = 10
const delivered = 300
/** How long a process that has just started may look at what it found. */
const lookMs = 3_000
const hoursMs = 6 * 60 * 60 * 1000

const endpoint = {
  kind: 'webhook',
  url: 'http://127.0.0.1:9/sms',
  guarded: false,
  format: 'urlNetworks',
  secrets: [],
  serviceId: null,
  mailTo: null,
  policy: null,
}

/** A file as it is after one failed try of each; by plain SQL, since a million calls would take minutes. */
const fill = (path: string, count: number): void => {
  const db = openDatabase(path)
  db.exec('PRAGMA synchronous = OFF; BEGIN')
  const now = Date.now()
  db.prepare(`
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
    INSERT INTO events (seq, id, gateway, identity, stored_at, event)
    SELECT n, 'event-' || n, 'pbx', 'message-' || n, ?2, ?3 FROM numbers WHERE ?1 > 0`).run(
    count,
    now,
    JSON.stringify(newEvent()),
  )
  db.prepare(`
    INSERT INTO deliveries (event, endpoint_id, endpoint, tries, created_at, due_at, ready_at)
    SELECT seq, 'crm' || seq % ?1, json_set(?2, '$.id', 'crm' || seq % ?1), 1, ?3, ?4 + seq, ?4 + seq FROM events`).run(
    endpoints,
    JSON.stringify(endpoint),
    now,
    now + hoursMs,
  )
  db.exec(`
    INSERT INTO attempts SELECT seq, 1, 1, created_at, 12, '{"type":"error","code":"refused","message":"connection refused"}' FROM deliveries;
    COMMIT`)
  db.close()
}

const measure = async (folder: string, count: number) => {
  const path = join(folder, `parked-${count}.db`)
  fill(path, count)
  const fileMb = statSync(path).size / 2 ** 20
  const app = await startChild('parked-app.ts', [path])
  const startMs = await app.ask<number>('start')
  const claims = await app.ask<number[]>('deliver', delivered)
  await sleep(lookMs)
  const mb = (await app.ask<number>('memory')) / 2 ** 20
  await app.end()
  return {
    count,
    fileMb,
    startMs,
    claimMs: percentile(claims, 0.5),
    claimP99Ms: percentile(claims, 0.99),
    mb,
  }
}

export const benchParked = async ({ folder }: { folder: string }) => {
  const all: Awaited<ReturnType<typeof measure>>[] = []
  for (const count of backlogs) all.push(await measure(folder, count))
  const [empty] = all as [(typeof all)[0]]
  const last = all.at(-1)!
  printTable(
    `Parked deliveries of ${endpoints} endpoints, while ${delivered} others are delivered one after the other`,
    ['parked', 'file MB', 'start ms', 'claim ms', 'claim p99 ms', 'MB', 'MB over empty'],
    all.map(({ count, fileMb, startMs, claimMs, claimP99Ms, mb }) => [
      whole(count),
      fixed(fileMb, 1),
      fixed(startMs, 0),
      fixed(claimMs),
      fixed(claimP99Ms),
      fixed(mb, 0),
      fixed(mb - empty.mb, 1),
    ]),
  )
  console.log()
  printAim('MB over an empty store, with a million parked', last.mb - empty.mb, 'most', 40)
  printAim('seconds to the first claim, with a million parked', last.startMs / 1000, 'most', 2)
  printAim('a claim with a million parked, to one with none', last.claimMs / empty.claimMs, 'most', 1.5)
}
