// Bench: accepting. How many posts a second are answered with 200, and how long the event loop of the app is
// held up, against the same Express route without storage and with one SQLite transaction per request.
import type { Address } from './accepting-app.ts'
import { type Child, type Cpu, startChild } from './child.ts'
import type { Load, Loaded } from './load.ts'
import { fixed, median, printAim, printTable, spread, whole } from './table.ts'

const usualConnections = 50
/** Beside the usual: a single gateway that waits for each answer, and a flood. */
const otherConnections = [1, 500]
/** Posts per second at which the event loops are compared; well below what the slower of the two can take. */
const steadyRate = 2_000
const warmUpSeconds = 2

const peers = {
  ours: 'smshook: stored, then 200',
  plain: 'Express + urlencoded + zod, no storage',
  sqlite: 'the same + SQLite, a transaction a request',
} as const
type Peer = keyof typeof peers

type Round = Loaded & Cpu & { delayP99: number }

export const benchAccepting = async (wish: { folder: string; rounds: number; seconds: number }) => {
  const generator = await startChild('load.ts')
  const apps = {} as Record<Peer, Child>
  for (const peer of Object.keys(peers) as Peer[])
    apps[peer] = await startChild('accepting-app.ts', [peer, wish.folder])

  type Way = { connections?: number; rate?: number | null }
  const round = async (
    peer: Peer,
    seconds: number,
    { connections = usualConnections, rate = null }: Way,
  ): Promise<Round> => {
    const { port, path } = await apps[peer].ask<Address>('address')
    await apps[peer].ask('reset')
    const loaded = await generator.ask<Loaded>('load', {
      ports: [port],
      path,
      connections,
      seconds,
      rate,
    } satisfies Load)
    const delayP99 = await apps[peer].ask<number>('delayP99')
    return { ...loaded, ...(await apps[peer].ask<Cpu>('cpu')), delayP99 }
  }

  const rounds = async (among: readonly Peer[], way: Way) => {
    const all = Object.fromEntries(among.map((peer) => [peer, [] as Round[]])) as Record<Peer, Round[]>
    for (const peer of among) await round(peer, warmUpSeconds, way)
    for (let n = 0; n < wish.rounds; n += 1)
      for (const peer of among) all[peer].push(await round(peer, wish.seconds, way))
    return (peer: Peer, figure: (one: Round) => number) => all[peer].map(figure)
  }

  const full = await rounds(['plain', 'ours', 'sqlite'], {})
  const rateOf = (peer: Peer) => median(full(peer, ({ perSecond }) => perSecond))
  const cpuOf = (peer: Peer, figure: (one: Round) => number) =>
    fixed(median(full(peer, (one) => figure(one) / one.answered)), 0)
  printTable(
    `Accepting: ${usualConnections} connections, medians of ${wish.rounds} rounds of ${wish.seconds} s in turn`,
    [
      'route',
      '200s per second',
      'ratio',
      'spread',
      'p50 ms',
      'p99 ms',
      'host µs CPU each',
      'all µs CPU each',
    ],
    (['plain', 'ours', 'sqlite'] as const).map((peer) => [
      peers[peer],
      whole(rateOf(peer)),
      fixed(rateOf(peer) / rateOf('plain')),
      spread(full(peer, ({ perSecond }) => perSecond)),
      fixed(median(full(peer, ({ p50Ms }) => p50Ms)), 1),
      fixed(median(full(peer, ({ p99Ms }) => p99Ms)), 1),
      cpuOf(peer, ({ host }) => host),
      cpuOf(peer, ({ all }) => all),
    ]),
  )

  for (const connections of otherConnections) {
    const some = await rounds(['plain', 'ours', 'sqlite'], { connections })
    const someOf = (peer: Peer) => median(some(peer, ({ perSecond }) => perSecond))
    printTable(
      `Accepting: ${connections} connection${connections === 1 ? '' : 's'}`,
      ['route', '200s per second', 'ratio', 'spread', 'p50 ms', 'p99 ms'],
      (['plain', 'ours', 'sqlite'] as const).map((peer) => [
        peers[peer],
        whole(someOf(peer)),
        fixed(someOf(peer) / someOf('plain')),
        spread(some(peer, ({ perSecond }) => perSecond)),
        fixed(median(some(peer, ({ p50Ms }) => p50Ms)), 1),
        fixed(median(some(peer, ({ p99Ms }) => p99Ms)), 1),
      ]),
    )
  }

  const steady = await rounds(['plain', 'ours'], { rate: steadyRate })
  const delayOf = (peer: Peer) => median(steady(peer, ({ delayP99 }) => delayP99))
  printTable(
    `The app's event loop at ${whole(steadyRate)} posts per second`,
    ['route', 'loop delay p99 ms', 'ratio', 'spread', '200s per second', 'p99 ms'],
    (['plain', 'ours'] as const).map((peer) => [
      peers[peer],
      fixed(delayOf(peer)),
      fixed(delayOf(peer) / delayOf('plain')),
      spread(steady(peer, ({ delayP99 }) => delayP99)),
      whole(median(steady(peer, ({ perSecond }) => perSecond))),
      fixed(median(steady(peer, ({ p99Ms }) => p99Ms)), 1),
    ]),
  )

  console.log()
  printAim('200s per second, ours / no storage', rateOf('ours') / rateOf('plain'), 'least', 1)
  printAim('event loop delay p99, ours / no storage', delayOf('ours') / delayOf('plain'), 'most', 1.2)
  for (const child of [generator, ...Object.values(apps)]) await child.end()
}
