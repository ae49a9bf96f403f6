// Bench: delivering with several processes from one PostgreSQL. Events are stored first; then all begin at once, until
// every event has arrived, once, and is recorded as delivered.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, type Cpu, startChild } from './child.ts'
import { cpuText, crowds, type PostgresWish, titleOf } from './crowd.ts'
import { concurrency } from './peers.ts'
import type { SharedPeerName } from './shared-app.ts'
import { fixed, median, printTable, spread, whole } from './table.ts'

const events = 5_000
/** At one each two seconds. */
const fewEvents = 4

type Way = { title: string; apps: readonly Child[]; events: number }
type Round = { perSecond: number; cpu: number; server: number; posts: number }

export const benchPostgresDelivering = async ({ folder, url, schema, serverCpu, rounds }: PostgresWish) => {
  const sink = await startChild('sink.ts')
  const port = String(await sink.ask<number>('port'))
  const start = (peer: SharedPeerName, place: string, name = '') =>
    startChild('shared-app.ts', [peer, port, place, name])
  const shared = schema()
  const ours: Child[] = []
  for (let n = 0; n < Math.max(...crowds); n += 1) ours.push(await start('postgres', url, shared))
  const sqlite: Way = {
    title: 'smshook on SQLite, 1 process',
    apps: [await start('sqlite', join(folder, 'shared.db'))],
    events,
  }
  const boss: Way = {
    title: `pg-boss work + fetch, batches of ${concurrency}, burst`,
    apps: [await start('boss', url, schema())],
    events,
  }
  const bossDefault: Way = {
    title: 'pg-boss work + fetch, its defaults (once)',
    apps: [await start('bossDefault', url, schema())],
    events: fewEvents,
  }
  const ways: Way[] = [
    sqlite,
    boss,
    ...crowds.map((count) => ({
      title: titleOf(count),
      apps: ours.slice(0, count),
      events,
    })),
  ]

  const round = async ({ apps, events }: Way): Promise<Round> => {
    const recorded = async () => {
      const counts = await Promise.all(apps.map((app) => app.ask<number>('recorded')))
      return counts.reduce((sum, count) => sum + count, 0)
    }
    for (const app of apps) await app.ask('prepare')
    await sink.ask('expect', events)
    await apps[0]!.ask('take', events)
    for (const app of apps) await app.ask('reset')
    const before = serverCpu()
    const startedAt = performance.now()
    await Promise.all([sink.ask('all'), ...apps.map((app) => app.ask('start'))])
    while ((await recorded()) < events) await sleep(1)
    const tookMs = performance.now() - startedAt
    const server = (serverCpu() - before) / events
    const cpus = await Promise.all(apps.map((app) => app.ask<Cpu>('cpu')))
    await Promise.all(apps.map((app) => app.ask('stop')))
    return {
      perSecond: (events * 1000) / tookMs,
      server,
      cpu: cpus.reduce((sum, { all }) => sum + all, 0) / events,
      posts: await sink.ask<number>('posts'),
    }
  }

  const all = new Map<Way, Round[]>([...ways, bossDefault].map((way) => [way, []]))
  for (const way of ways) await round(way)
  for (let n = 0; n < rounds; n += 1) for (const way of ways) all.get(way)!.push(await round(way))
  all.get(bossDefault)!.push(await round(bossDefault))

  const of = (way: Way, figure: (one: Round) => number) => median(all.get(way)!.map(figure))
  const rateOf = (way: Way) => of(way, ({ perSecond }) => perSecond)
  printTable(
    `Delivering ${whole(events)} waiting events from PostgreSQL, ${concurrency} at once in all, medians of ${rounds} rounds in turn`,
    [
      'queue',
      'deliveries per second',
      'to SQLite',
      'to pg-boss',
      'spread',
      'app µs CPU each',
      'server µs CPU each',
      'posts beyond one each',
    ],
    [...ways, bossDefault].map((way) => [
      way.title,
      rateOf(way) < 10 ? fixed(rateOf(way), 1) : whole(rateOf(way)),
      fixed(rateOf(way) / rateOf(sqlite)),
      fixed(rateOf(way) / rateOf(boss)),
      spread(all.get(way)!.map(({ perSecond }) => perSecond)),
      cpuText(of(way, ({ cpu }) => cpu)),
      way === sqlite ? '-' : cpuText(of(way, ({ server }) => server)),
      String(all.get(way)!.reduce((sum, { posts }) => sum + posts - way.events, 0)),
    ]),
  )
  for (const child of [sink, ...ours, ...sqlite.apps, ...boss.apps, ...bossDefault.apps]) await child.end()
}
