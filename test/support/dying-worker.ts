// A worker of the SQLite engine that ends in the middle of its work: before it answers what is marked so.
import { parentPort, workerData } from 'node:worker_threads'
import { openStore } from '../../lib/engines/sqlite/keeper.ts'
import type { Call, Place } from '../../lib/engines/sqlite/store.ts'

/** What an event's text says to end the thread: by itself, or by an error that nobody catches. */
export const deadly = ['exit', 'throw'] as const

if (parentPort) {
  const port = parentPort
  const store = openStore(workerData as Place)
  const isTold = (calls: Call[], text: string) => JSON.stringify(calls).includes(`\\"text\\":\\"${text}\\"`)
  port.on('message', (calls: Call[] | null) => {
    if (calls === null) {
      store.close()
      port.close()
    } else if (isTold(calls, 'exit')) {
      process.exit()
    } else if (isTold(calls, 'throw')) {
      throw new Error('uncaught')
    } else {
      port.postMessage({ reply: store.run(calls) })
    }
  })
  port.postMessage({ opened: true })
}
