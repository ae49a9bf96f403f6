// The entry of the worker thread: opens the store, then answers calls until it is told to close or the store is
// lost. Group commit,
// the store's half: what has come while one transaction was written shares the next one.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { type Failure, failureOf } from './errors.ts'
import { failed, openStore } from './keeper.ts'
import { type Call, type Place, type Reply, transactionsOf } from './store.ts'

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
  let isOver = false
  port.on('message', (first: ToWorker) => {
    // Closing the port does not keep back what has come; who waits for it hears that the thread has ended.
    if (isOver) return
    const calls: Call[] = []
    let message: ToWorker | undefined = first
    while (message) {
      calls.push(...message)
      message = calls.length < mostInTransaction ? receiveMessageOnPort(port)?.message : undefined
    }
    let loss: Failure | undefined
    for (const transaction of transactionsOf(calls)) {
      const reply = loss ? failed(transaction, loss) : store.run(transaction)
      say({ reply })
      loss ??= reply.loss
    }
    if (message !== null && !loss) return
    isOver = true
    if (loss) say({ failure: loss })
    port.close()
    store.close()
  })
  say({ opened: true })
} catch (error) {
  say({ failure: failureOf(error) })
  port.close()
}
