// A worker of the SQLite engine that ends in the middle of its work: before it answers what is marked so.
import { parentPort, workerData } from 'node:worker_threads'
import { openStore } from '../../lib/engines/sqlite-keeper.ts'
import type { Call, Place } from '../../lib/engines/sqlite-store.ts'

/** What an event's text says to end the thread. */
export const deadly = 'die'

if (parentPort) {
  const port = parentPort
  const store = openStore(workerData as Place)
  port.on('message', (calls: Call[] | null) => {
    if (calls === null) {
      store.close()
      port.close()
    } else if (JSON.stringify(calls).includes(`\\"text\\":\\"${deadly}\\"`)) {
      process.exit()
    } else {
      port.postMessage({ reply: store.run(calls) })
    }
  })
  port.postMessage({ opened: true })
}
