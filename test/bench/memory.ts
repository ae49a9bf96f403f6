// Bench: memory. What deliveries add to a process that wait for their second try in hours.
import { startChild } from './child.ts'
import { fixed, printAim, printTable, whole } from './table.ts'

const waiting = 100_000
/** Delivered first, so that what a working process holds anyway is not counted. */
const warmUp = 5_000
const megabyte = 1024 * 1024

const peers = { memory: 'p-queue + p-retry + fetch, in memory', ours: 'smshook' } as const
type Peer = keyof typeof peers

export const benchMemory = async ({ folder }: { folder: string }) => {
  const sink = await startChild('sink.ts')
  const port = await sink.ask<number>('port')

  const measure = async (peer: Peer) => {
    const app = await startChild('delivering-app.ts', [peer, folder, String(port)])
    await sink.ask('answerWith', 200)
    await app.ask('take', warmUp)
    await app.ask('work', { count: warmUp, end: 'delivered' })
    const before = await app.ask<number>('memory')
    await sink.ask('answerWith', 500)
    await app.ask('take', waiting)
    await app.ask('work', { count: waiting, end: 'waiting' })
    const after = await app.ask<number>('memory')
    await app.end()
    return { before: before / megabyte, after: after / megabyte, added: (after - before) / megabyte }
  }

  const theirs = await measure('memory')
  const ours = await measure('ours')
  printTable(
    `${whole(waiting)} deliveries that failed once and wait for hours`,
    ['queue', 'MB with nothing waiting', 'MB with all waiting', 'MB added', 'ratio'],
    Object.entries({ [peers.memory]: theirs, [peers.ours]: ours }).map(([name, { before, after, added }]) => [
      name,
      fixed(before, 0),
      fixed(after, 0),
      fixed(added, 0),
      fixed(added / theirs.added, 3),
    ]),
  )
  console.log()
  printAim('MB added by waiting deliveries', ours.added, 'most', 20)
  await sink.end()
}
