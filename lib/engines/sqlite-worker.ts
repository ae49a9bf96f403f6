// The entry of the worker thread: opens the store, then answers batches until it is told to close.
import { parentPort, workerData } from 'node:worker_threads'
import { type Failure, failureOf } from './sqlite-errors.ts'
import { type Call, openStore, type Place, type Reply } from './sqlite-store.ts'

/** What the thread says: first whether it opened, then a reply to each batch. */
export type FromWorker = { opened: true } | { failure: Failure } | { reply: Reply }
/** What it is told; null: close. */
export type ToWorker = readonly Call[] | null

const port = parentPort!
const say = (message: FromWorker) => port.postMessage(message)

try {
  const store = openStore(workerData as Place)
  port.on('message', (message: ToWorker) => {
    if (message) return say({ reply: store.run(message) })
    store.close()
    port.close()
  })
  say({ opened: true })
} catch (error) {
  say({ failure: failureOf(error) })
  port.close()
}
