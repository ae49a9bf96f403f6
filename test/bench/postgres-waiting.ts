// Bench: how long a message waits for its first try, also beside an endpoint that takes nothing any more, and what a
// claim costs where many deliveries wait for hours.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { postgres } from 'smshook'
import { systemClock as clock } from '../../lib/clock.ts'
import { openQueue } from '../../lib/engines/postgres/queue.ts'
import { entryOf, groupOf } from '../../lib/engines/postgres/store.ts'
import { startChild } from './child.ts'
import type { PostgresWish } from './crowd.ts'
import { newEvent } from './event.ts'
import { fixed, median, percentile, printAim, printTable, whole } from './table.ts'
import type { Stored } from './waking-app.ts'

const messages = 300
/** Of two messages; long enough that each finds the dispatcher asleep. */
const pauseMs = 20
const stuck = 10_000

const parked = 100_000
/** Endpoints that share what is parked. */
const endpoints = 10
const together = 1_000
const hoursMs = 6 * 60 * 60 * 1000

type Waking = { title: string; place: readonly string[]; apart: boolean; stuck: number }

const wake = async ({ title, place, apart, stuck }: Waking) => {
  const accepting = await startChild('waking-app.ts', place)
  const delivering = apart ? await startChild('waking-app.ts', place) : accepting
  await accepting.ask('acceptStuck', stuck)
  await delivering.ask('start')
  const accepts: number[] = []
  const wakes: number[] = []
  for (let n = 0; n < messages; n += 1) {
    await sleep(pauseMs)
    const { identity, begunAt, storedAt } = await accepting.ask<Stored>('accept')
    const triedAt = await delivering.ask<number>('triedAt', identity)
    accepts.push(storedAt - begunAt)
    wakes.push(triedAt - begunAt)
  }
  for (const child of new Set([accepting, delivering])) await child.end()
  return { title, acceptMs: median(accepts), wakeMs: median(wakes), wakeP99Ms: percentile(wakes, 0.99) }
}

const benchWaking = async ({ folder, url, schema }: PostgresWish) => {
  const ways: Waking[] = [
    { title: 'SQLite, 1 process', place: [join(folder, 'waking.db')], apart: false, stuck: 0 },
    { title: 'PostgreSQL, 1 process', place: [url, schema()], apart: false, stuck: 0 },
    { title: 'PostgreSQL, accepted by another process', place: [url, schema()], apart: true, stuck: 0 },
    {
      title: `SQLite, ${whole(stuck)} due for a full endpoint`,
      place: [join(folder, 'stuck.db')],
      apart: false,
      stuck,
    },
    {
      title: `PostgreSQL, another process, ${whole(stuck)} due for a full endpoint`,
      place: [url, schema()],
      apart: true,
      stuck,
    },
  ]
  const all: Awaited<ReturnType<typeof wake>>[] = []
  for (const way of ways) all.push(await wake(way))
  printTable(
    `From accepting a message to its first try, ${messages} one after the other`,
    ['store', 'stored after ms', 'first try after ms', 'p99 ms', 'to SQLite'],
    all.map(({ title, acceptMs, wakeMs, wakeP99Ms }) => [
      title,
      fixed(acceptMs, 1),
      fixed(wakeMs, 1),
      fixed(wakeP99Ms, 1),
      fixed(wakeMs / all[0]!.wakeMs, 1),
    ]),
  )
  console.log()
  printAim('ms to a first try in another process, median', all[2]!.wakeMs, 'most', 100)
}

/** A store as it is after one failed try of each; by plain SQL, since as many calls would take minutes. */
const fill = async (url: string, schema: string, count: number): Promise<void> => {
  const logger = { info: () => {}, warn: () => {}, error: console.error }
  const engine = postgres({ url, schema })
  await engine.open({ clock, logger })
  const pool = new pg.Pool({ connectionString: url })
  const now = clock.now()
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
  await pool.query(
    `INSERT INTO ${schema}.events (id, hash, gateway, stored_at, event, has_media)
     SELECT 'event-' || n, sha256(n::text::bytea), 'pbx', $2, $3, false FROM generate_series(1, $1::int) n`,
    [count, now, JSON.stringify(newEvent())],
  )
  const { rows } = await pool.query(
    `INSERT INTO ${schema}.deliveries (id, event, endpoint_id, kind, endpoint, tries, created_at, due_at)
     SELECT gen_random_uuid(), seq, 'crm' || seq % $1::int, 'webhook',
       ($2::jsonb || jsonb_build_object('id', 'crm' || seq % $1::int))::text, 1, $3::float8, $4::float8 + seq
     FROM ${schema}.events RETURNING id, endpoint_id, due_at`,
    [endpoints, JSON.stringify(endpoint), now, now + hoursMs],
  )
  await pool.query(
    `INSERT INTO ${schema}.attempts (delivery, round, n, started_at, took_ms, outcome)
     SELECT id, 1, 1, created_at, 12, '{"type":"error","code":"refused","message":"connection refused"}'
     FROM ${schema}.deliveries`,
  )
  const query = (text: string, values?: unknown[]) => pool.query(text, values)
  const queue = await openQueue({ schema: `${schema}_queue`, isThere: false }, query, clock, console.error)
  for (let n = 0; n < rows.length; n += together)
    await queue.put(
      { query },
      'deliveries',
      rows.slice(n, n + together).map(({ id, endpoint_id, due_at }) => {
        const group = groupOf('webhook', endpoint_id)
        return entryOf({ id, group, tries: 1, dueAt: due_at, chars: 600 }, now, 0)
      }),
    )
  await queue.stop()
  await pool.end()
  await engine.close()
}

const benchParkedClaims = async ({ url, schema }: PostgresWish) => {
  const measure = async (count: number) => {
    const name = schema()
    await fill(url, name, count)
    const app = await startChild('parked-app.ts', [url, name])
    const startMs = await app.ask<number>('start')
    const claims = await app.ask<number[]>('deliver', messages)
    await app.end()
    return { count, startMs, claimMs: median(claims), claimP99Ms: percentile(claims, 0.99) }
  }
  const none = await measure(0)
  const many = await measure(parked)
  printTable(
    `PostgreSQL with parked deliveries of ${endpoints} endpoints, while ${messages} others are delivered one after the other`,
    ['parked', 'start ms', 'claim ms', 'claim p99 ms'],
    [none, many].map(({ count, startMs, claimMs, claimP99Ms }) => [
      whole(count),
      fixed(startMs, 0),
      fixed(claimMs),
      fixed(claimP99Ms),
    ]),
  )
  console.log()
  printAim(
    `a claim on PostgreSQL with ${whole(parked)} parked, to one with none`,
    many.claimMs / none.claimMs,
    'most',
    1.5,
  )
}

export const benchPostgresWaiting = async (wish: PostgresWish) => {
  await benchWaking(wish)
  await benchParkedClaims(wish)
}
