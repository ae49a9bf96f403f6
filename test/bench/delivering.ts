// Bench: delivering. How many deliveries a second reach a webhook, from the store and recorded in it, against the
// usual queues in memory and on Redis, and what a delivery costs beside its bare request.
import { type Child, type Cpu, startChild } from './child.ts'
import { concurrency, type PeerName } from './peers.ts'
import { startRedis } from './redis.ts'
import { fixed, median, printAim, printTable, spread, whole } from './table.ts'

const events = 5_000

const titles: Record<PeerName, string> = {
  ours: 'smshook: from the store, each outcome recorded',
  memory: 'p-queue + p-retry + fetch, in memory',
  bullmqFetch: 'BullMQ worker on Redis + fetch',
  bullmqUndici: 'BullMQ worker on Redis + undici.request',
  bare: 'undici.request alone, nothing recorded',
}

type Round = Cpu & { perSecond: number }

export const benchDelivering = async ({ folder, rounds }: { folder: string; rounds: number }) => {
  const sink = await startChild('sink.ts')
  const redis = await startRedis(folder)
  const port = await sink.ask<number>('port')
  const names = (Object.keys(titles) as PeerName[]).filter((name) => redis || !name.startsWith('bullmq'))
  const apps = {} as Record<PeerName, Child>
  const all = {} as Record<PeerName, Round[]>
  for (const name of names) {
    apps[name] = await startChild('delivering-app.ts', [name, folder, String(port), String(redis?.port)])
    all[name] = []
  }

  const round = async (name: PeerName): Promise<Round> => {
    await apps[name].ask('take', events)
    await apps[name].ask('reset')
    const tookMs = await apps[name].ask<number>('work', { count: events, end: 'delivered' })
    return { ...(await apps[name].ask<Cpu>('cpu')), perSecond: (events * 1000) / tookMs }
  }
  for (const name of names) await round(name)
  for (let n = 0; n < rounds; n += 1) for (const name of names) all[name].push(await round(name))

  const ratesOf = (name: PeerName) => all[name].map(({ perSecond }) => perSecond)
  const cpuOf = (name: PeerName, figure: (one: Round) => number) => median(all[name].map(figure)) / events
  const times = (name: PeerName) => median(ratesOf('ours')) / median(ratesOf(name))
  printTable(
    `Delivering ${whole(events)} waiting events, ${concurrency} at once, medians of ${rounds} rounds in turn`,
    ['queue', 'deliveries per second', 'smshook is', 'spread', 'host µs CPU each', 'all µs CPU each'],
    names.map((name) => [
      titles[name],
      whole(median(ratesOf(name))),
      `${fixed(times(name))} x`,
      spread(ratesOf(name)),
      fixed(
        cpuOf(name, ({ host }) => host),
        0,
      ),
      fixed(
        cpuOf(name, ({ all }) => all),
        0,
      ),
    ]),
  )
  if (redis) console.log("The processor time of the Redis server is not in BullMQ's.")
  console.log()
  printAim('deliveries per second, ours / in memory', times('memory'), 'least', 3)
  if (redis) {
    printAim('deliveries per second, ours / BullMQ + fetch', times('bullmqFetch'), 'least', 5)
    printAim('deliveries per second, ours / BullMQ + undici', times('bullmqUndici'), 'least', 1)
  }
  const wholeOf = (name: PeerName) => cpuOf(name, ({ all }) => all)
  printAim('processor time per delivery, ours / bare request', wholeOf('ours') / wholeOf('bare'), 'most', 4)
  for (const child of [sink, ...Object.values(apps)]) await child.end()
  await redis?.close()
}
