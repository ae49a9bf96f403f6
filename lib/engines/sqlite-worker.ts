// The entry of the worker thread: opens the store, then answers calls until it is told to close. Group commit,
// the store's half: what has come while one transaction was written shares the next one.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { type Failure, failureOf } from './sqlite-errors.ts'
import { type Call, openStore, type Place, type Reply, transactionsOf } from './sqlite-store.ts'

/** What the thread says: first whether it opened, then the answers to the calls. */
export type FromWorker = { opened: true } | { failure: Failure } | { reply: Reply }
/** What it is told; null: close. */
export type ToWorker = readonly Call[] | null

// Beyond this a larger transaction saves nothing more and only lets the first call in it wait longer.
const mostInTransaction = 1000

const port = parentPort!
const say = (message: FromWorker) => port.postMessage(message)

try {
  const store = openStore(workerData as Place)
  port.on('message', (first: ToWorker) => {
    const calls: Call[] = []
    let message: ToWorker | undefined = first
    while (message) {
      calls.push(...message)
      message = calls.length < mostInTransaction ? receiveMessageOnPort(port)?.message : undefined
    }
    for (const transaction of transactionsOf(calls)) say({ reply: store.run(transaction) })
    if (message !== null) return
    store.close()
    port.close()
  })
  say({ opened: true })
} catch (error) {
  say({ failure: failureOf(error) })
  port.close()
}
