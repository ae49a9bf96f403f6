// The line to the store: a worker thread, so that writing to disk never stops the host's event loop, or the main
// thread where the worker's file is missing, as in an app bundled into one file.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Logger } from '../../logger.ts'
import { type Failure, failureOf } from './errors.ts'
import type { Call, Place, Reply } from './store.ts'
import type { FromWorker, ToWorker } from './worker.ts'

export type Line = {
  /** Every call is answered: where the store is gone, the answer says so. Keeps the process alive meanwhile. */
  send(calls: readonly Call[]): void
  /** `listener` gets the answers, in any order. */
  onReply(listener: (reply: Reply) => void): void
  close(): Promise<void>
}

/** Null where there is none: a bundler took the code out of its files. */
export const workerFile = (): URL | null => {
  try {
    const name = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js'
    const url = new URL(name, import.meta.url)
    return existsSync(fileURLToPath(url)) ? url : null
  } catch {
    return null
  }
}

const mainThread = async (place: Place, onLost: (failure: Failure) => void): Promise<Line> => {
  // Only here: importing the package loads no database, and on a Node without one it must link.
  const [{ openStore }, { transactionsOf }] = await Promise.all([import('./keeper.ts'), import('./store.ts')])
  const store = openStore(place)
  let tell = (_reply: Reply) => {}
  let waiting: Call[] = []
  let loss: Failure | null = null
  const runAll = () => {
    const calls = waiting
    waiting = []
    for (const transaction of transactionsOf(calls)) {
      if (loss) {
        const failure = loss
        tell({ answers: transaction.map(({ id }) => ({ id, failure })), isDue: false })
        continue
      }
      const reply = store.run(transaction)
      tell(reply)
      if (!reply.loss) continue
      loss = reply.loss
      store.close()
      onLost(loss)
    }
  }
  return {
    // Later than all that this turn of the event loop still has to say, so that its calls share a commit.
    send: (calls) => {
      if (waiting.length === 0) setImmediate(runAll)
      waiting.push(...calls)
    },
    onReply: (listener) => {
      tell = listener
    },
    close: async () => {
      if (!loss) store.close()
    },
  }
}

const thread = (url: URL, place: Place, onLost: (failure: Failure) => void): Promise<Line> =>
  new Promise((resolve, reject) => {
    // Not the host's own flags: a loader or an inspector meant for the app has no business in this thread. Node
    // 22 calls node:sqlite experimental, which the host can do nothing about.
    const worker = new Worker(url, {
      workerData: place,
      execArgv: ['--disable-warning=ExperimentalWarning'],
      name: 'smshook',
    })
    let tell = (_reply: Reply) => {}
    /** The ids of the calls without an answer. */
    const waiting = new Set<number>()
    let mayEnd = true
    let hasEnded = false
    let failure = failureOf(new Error('its thread ended'))

    const answer = (reply: Reply) => {
      for (const { id } of reply.answers) waiting.delete(id)
      if (waiting.size === 0) worker.unref()
      tell(reply)
    }
    const fail = (ids: Iterable<number>, failure: Failure) =>
      answer({ answers: Array.from(ids, (id) => ({ id, failure })), isDue: false })

    const exit = new Promise<void>((exited) => {
      worker.once('exit', () => {
        hasEnded = true
        fail(waiting, failure)
        if (!mayEnd) onLost(failure)
        reject(failure)
        exited()
      })
    })
    worker.on('error', (error) => {
      failure = failureOf(error)
    })
    worker.on('message', (message: FromWorker) => {
      if ('failure' in message) {
        failure = message.failure
      } else if ('opened' in message) {
        mayEnd = false
        worker.unref()
        resolve(line)
      } else {
        answer(message.reply)
      }
    })

    const post = (message: ToWorker) => worker.postMessage(message)
    const line: Line = {
      send: (calls) => {
        if (waiting.size === 0) worker.ref()
        for (const { id } of calls) waiting.add(id)
        if (hasEnded) return fail(waiting, failure)
        try {
          post(calls)
        } catch (error) {
          // What cannot be posted, such as a function in an outcome, must not stop what comes after it.
          fail(
            calls.map(({ id }) => id),
            failureOf(error),
          )
        }
      },
      onReply: (listener) => {
        tell = listener
      },
      close() {
        mayEnd = true
        worker.ref()
        post(null)
        return exit
      },
    }
  })

/**
 * Throws an EngineError, a Failure or SQLite's own error. `onLost` is called when the thread dies or the store is
 * lost later.
 */
export const openLine = async (
  worker: URL | null,
  place: Place,
  logger: Logger,
  onLost: (failure: Failure) => void,
): Promise<Line> => {
  if (worker) return thread(worker, place, onLost)
  const line = await mainThread(place, onLost)
  logger.warn(
    { database: place.path },
    "the file of smshook's worker thread is missing, so the database works on the main thread and holds up the app; tell the bundler to leave smshook out (to treat it as external)",
  )
  return line
}
