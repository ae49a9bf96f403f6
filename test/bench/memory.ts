// Bench: memory. What deliveries add to a process that wait for their second try in hours.
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, startChild } from './child.ts'
import { fixed, printAim, printTable, whole } from './table.ts'

const waiting = 100_000
/** Delivered at a time beforehand. */
const slice = 5_000
/** How long a process that has just started may look at what it found. */
const lookMs = 3_000

type Figures = { before: number; after: number }

const peers = { memory: 'p-queue + p-retry + fetch, in memory', ours: 'smshook' } as const
type Peer = keyof typeof peers

const held = async (app: Child): Promise<number> => (await app.ask<number>('memory')) / 1024 / 1024

export const benchMemory = async (wish: { folder: string }) => {
  const sink = await startChild('sink.ts')
  const port = String(await sink.ask<number>('port'))

  /** What a process holds that has delivered as many, slice by slice, and then with all of them waiting. */
  const working = async (peer: Peer, folder: string): Promise<Figures> => {
    const app = await startChild('delivering-app.ts', [peer, folder, port])
    const run = async (count: number, end: 'delivered' | 'waiting') => {
      await app.ask('take', count)
      await app.ask('work', { count, end })
    }
    // The same work first, since V8 keeps some of the memory that work took, whatever is left of it.
    await sink.ask('answerWith', 200)
    for (let done = 0; done < waiting; done += slice) await run(slice, 'delivered')
    const before = await held(app)
    await sink.ask('answerWith', 500)
    await run(waiting, 'waiting')
    const after = await held(app)
    await app.end()
    return { before, after }
  }

  /** What a process holds that has just started on the store in `folder`. */
  const started = async (folder: string): Promise<number> => {
    const app = await startChild('delivering-app.ts', ['ours', folder, port])
    await app.ask('take', 0)
    await app.ask('work', { count: 0, end: 'delivered' })
    await sleep(lookMs)
    const memory = await held(app)
    await app.end()
    return memory
  }

  const folder = () => mkdtempSync(join(wish.folder, 'memory-'))
  const full = folder()
  const theirs = await working('memory', folder())
  const ours = await working('ours', full)
  const restarted = { before: await started(folder()), after: await started(full) }
  await sink.end()

  const added = ({ before, after }: Figures) => after - before
  const row = (name: string, figures: Figures) => [
    name,
    fixed(figures.before, 0),
    fixed(figures.after, 0),
    fixed(added(figures), 1),
    fixed(added(figures) / added(theirs), 3),
  ]
  printTable(
    `${whole(waiting)} deliveries that failed once and wait for hours`,
    ['queue', 'MB with none waiting', 'MB with all waiting', 'MB added', 'ratio'],
    [row(peers.memory, theirs), row(peers.ours, ours), row('smshook, started anew on its file', restarted)],
  )
  console.log()
  printAim('MB added by waiting deliveries', added(ours), 'most', 20)
  printAim('MB added by waiting deliveries after a start', added(restarted), 'most', 20)
}
