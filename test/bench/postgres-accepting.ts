// Bench: accepting with several processes on one PostgreSQL, the connections shared among them.
import type { Address } from './accepting-app.ts'
import { type Child, type Cpu, startChild } from './child.ts'
import { cpuText, crowds, type PostgresWish, titleOf } from './crowd.ts'
import type { Load, Loaded } from './load.ts'
import { fixed, median, printTable, spread, whole } from './table.ts'

const connections = 50
const warmUpSeconds = 2

type Way = { title: string; apps: readonly Child[] }
type Round = Loaded & { cpu: number; server: number }

export const benchPostgresAccepting = async (wish: PostgresWish) => {
  const { folder, url, schema, serverCpu, rounds, seconds } = wish
  const generator = await startChild('load.ts')
  const start = (peer: string, name: string) => startChild('accepting-app.ts', [peer, folder, url, name])
  const shared = schema()
  const ours: Child[] = []
  for (let n = 0; n < Math.max(...crowds); n += 1) ours.push(await start('postgres', shared))
  const sqlite: Way = { title: 'smshook on SQLite, 1 process', apps: [await start('ours', '')] }
  const boss: Way = {
    title: 'Express + urlencoded + zod + pg-boss send',
    apps: [await start('boss', schema())],
  }
  const ways: Way[] = [
    sqlite,
    boss,
    ...crowds.map((count) => ({
      title: titleOf(count),
      apps: ours.slice(0, count),
    })),
  ]

  const round = async ({ apps }: Way, forSeconds: number): Promise<Round> => {
    const addresses = await Promise.all(apps.map((app) => app.ask<Address>('address')))
    await Promise.all(apps.map((app) => app.ask('reset')))
    const ports = addresses.map(({ port }) => port)
    const { path } = addresses[0]!
    const load: Load = { ports, path, connections, seconds: forSeconds, rate: null }
    const before = serverCpu()
    const loaded = await generator.ask<Loaded>('load', load)
    const cpus = await Promise.all(apps.map((app) => app.ask<Cpu>('cpu')))
    const server = serverCpu() - before
    return { ...loaded, server, cpu: cpus.reduce((sum, { all }) => sum + all, 0) }
  }

  const all = new Map<Way, Round[]>(ways.map((way) => [way, []]))
  for (const way of ways) await round(way, warmUpSeconds)
  for (let n = 0; n < rounds; n += 1) for (const way of ways) all.get(way)!.push(await round(way, seconds))

  const of = (way: Way, figure: (one: Round) => number) => median(all.get(way)!.map(figure))
  const rateOf = (way: Way) => of(way, ({ perSecond }) => perSecond)
  printTable(
    `Accepting on PostgreSQL: ${connections} connections, medians of ${rounds} rounds of ${seconds} s in turn`,
    [
      'route',
      '200s per second',
      'to SQLite',
      'to pg-boss',
      'spread',
      'p50 ms',
      'p99 ms',
      'app µs CPU each',
      'server µs CPU each',
    ],
    ways.map((way) => [
      way.title,
      whole(rateOf(way)),
      fixed(rateOf(way) / rateOf(sqlite)),
      fixed(rateOf(way) / rateOf(boss)),
      spread(all.get(way)!.map(({ perSecond }) => perSecond)),
      fixed(
        of(way, ({ p50Ms }) => p50Ms),
        1,
      ),
      fixed(
        of(way, ({ p99Ms }) => p99Ms),
        1,
      ),
      cpuText(of(way, ({ cpu, answered }) => cpu / answered)),
      way === sqlite ? '-' : cpuText(of(way, ({ server, answered }) => server / answered)),
    ]),
  )
  for (const child of [generator, ...ours, ...sqlite.apps, ...boss.apps]) await child.end()
}
