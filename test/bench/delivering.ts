// Bench: delivering. How many deliveries a second reach a webhook, from the store and recorded in it, against
// the usual queue in memory.
import { type Child, startChild } from './child.ts'
import { fixed, median, printAim, printTable, spread, whole } from './table.ts'

const events = 5_000

const peers = {
  memory: 'p-queue + p-retry + fetch, in memory',
  ours: 'smshook: from the store, each outcome recorded',
} as const
type Peer = keyof typeof peers
const names = ['memory', 'ours'] as const

export const benchDelivering = async ({ folder, rounds }: { folder: string; rounds: number }) => {
  const sink = await startChild('sink.ts')
  const port = await sink.ask<number>('port')
  const apps = {} as Record<Peer, Child>
  const rates: Record<Peer, number[]> = { memory: [], ours: [] }
  for (const peer of names) apps[peer] = await startChild('delivering-app.ts', [peer, folder, String(port)])

  const round = async (peer: Peer): Promise<number> => {
    await apps[peer].ask('take', events)
    const tookMs = await apps[peer].ask<number>('work', { count: events, end: 'delivered' })
    return (events * 1000) / tookMs
  }
  for (const peer of names) await round(peer)
  for (let n = 0; n < rounds; n += 1) for (const peer of names) rates[peer].push(await round(peer))

  const ratio = median(rates.ours) / median(rates.memory)
  printTable(
    `Delivering ${whole(events)} waiting events, 50 at once, medians of ${rounds} rounds in turn`,
    ['queue', 'deliveries per second', 'ratio', 'spread'],
    names.map((peer) => [
      peers[peer],
      whole(median(rates[peer])),
      fixed(median(rates[peer]) / median(rates.memory)),
      spread(rates[peer]),
    ]),
  )
  console.log()
  printAim('deliveries per second, ours / in memory', ratio, 'least', 3)
  for (const child of [sink, ...Object.values(apps)]) await child.end()
}
