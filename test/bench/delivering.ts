// Bench: delivering. How many deliveries a second reach a webhook, from the store and recorded in it, against
// the usual queue in memory.
import { type Child, type Cpu, startChild } from './child.ts'
import { fixed, median, printAim, printTable, spread, whole } from './table.ts'

const events = 5_000

const peers = {
  memory: 'p-queue + p-retry + fetch, in memory',
  ours: 'smshook: from the store, each outcome recorded',
} as const
type Peer = keyof typeof peers
const names = ['memory', 'ours'] as const

type Round = Cpu & { perSecond: number }

export const benchDelivering = async ({ folder, rounds }: { folder: string; rounds: number }) => {
  const sink = await startChild('sink.ts')
  const port = await sink.ask<number>('port')
  const apps = {} as Record<Peer, Child>
  const all: Record<Peer, Round[]> = { memory: [], ours: [] }
  for (const peer of names) apps[peer] = await startChild('delivering-app.ts', [peer, folder, String(port)])

  const round = async (peer: Peer): Promise<Round> => {
    await apps[peer].ask('take', events)
    await apps[peer].ask('reset')
    const tookMs = await apps[peer].ask<number>('work', { count: events, end: 'delivered' })
    return { ...(await apps[peer].ask<Cpu>('cpu')), perSecond: (events * 1000) / tookMs }
  }
  for (const peer of names) await round(peer)
  for (let n = 0; n < rounds; n += 1) for (const peer of names) all[peer].push(await round(peer))

  const ratesOf = (peer: Peer) => all[peer].map(({ perSecond }) => perSecond)
  const cpuOf = (peer: Peer, figure: (one: Round) => number) =>
    fixed(median(all[peer].map(figure)) / events, 0)
  const ratio = median(ratesOf('ours')) / median(ratesOf('memory'))
  printTable(
    `Delivering ${whole(events)} waiting events, 50 at once, medians of ${rounds} rounds in turn`,
    ['queue', 'deliveries per second', 'ratio', 'spread', 'host µs CPU each', 'all µs CPU each'],
    names.map((peer) => [
      peers[peer],
      whole(median(ratesOf(peer))),
      fixed(median(ratesOf(peer)) / median(ratesOf('memory'))),
      spread(ratesOf(peer)),
      cpuOf(peer, ({ host }) => host),
      cpuOf(peer, ({ all }) => all),
    ]),
  )
  console.log()
  printAim('deliveries per second, ours / in memory', ratio, 'least', 3)
  for (const child of [sink, ...Object.values(apps)]) await child.end()
}
