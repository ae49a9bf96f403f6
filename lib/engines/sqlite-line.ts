// The line to the store: a worker thread, so that writing to disk never stops the host's event loop, or the main
// thread where the worker's file is missing, as in an app bundled into one file.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Logger } from '../logger.ts'
import { type Failure, failureOf } from './sqlite-errors.ts'
import type { Call, Place, Reply } from './sqlite-store.ts'
import type { FromWorker, ToWorker } from './sqlite-worker.ts'

export type Line = {
  /** Never rejects: where the store is gone, every answer says so. Keeps the process alive meanwhile. */
  run(calls: readonly Call[]): Promise<Reply>
  close(): Promise<void>
}

/** Null where there is none: a bundler took the code out of its files. */
export const workerFile = (): URL | null => {
  try {
    const name = import.meta.url.endsWith('.ts') ? './sqlite-worker.ts' : './sqlite-worker.js'
    const url = new URL(name, import.meta.url)
    return existsSync(fileURLToPath(url)) ? url : null
  } catch {
    return null
  }
}

const failed = (calls: readonly Call[], failure: Failure): Reply => ({
  answers: calls.map(() => ({ failure })),
  isDue: false,
})

type Run = { calls: readonly Call[]; answer: (reply: Reply) => void }

/** Gives each run its part of a reply to several, which shared a transaction; the last one tells what is due. */
const tell = (runs: Run[], { answers, isDue }: Reply): void => {
  let told = 0
  while (told < answers.length) {
    const { calls, answer } = runs.shift()!
    const from = told
    told += calls.length
    answer({ answers: answers.slice(from, told), isDue: isDue && told === answers.length })
  }
}

const mainThread = async (place: Place): Promise<Line> => {
  // Only here: importing the package loads no database, and on a Node without one it must link.
  const { openStore } = await import('./sqlite-store.ts')
  const store = openStore(place)
  const waiting: Run[] = []
  const runAll = () => tell(waiting, store.run(waiting.flatMap(({ calls }) => calls)))
  return {
    // Later than all that this turn of the event loop still has to say, so that its calls share a commit.
    run: (calls) =>
      new Promise((answer) => {
        waiting.push({ calls, answer })
        if (waiting.length === 1) setImmediate(runAll)
      }),
    close: async () => store.close(),
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
    const waiting: Run[] = []
    let mayEnd = true
    let hasEnded = false
    let failure = failureOf(new Error('its thread ended'))

    const exit = new Promise<void>((exited) => {
      worker.once('exit', () => {
        hasEnded = true
        for (const { calls, answer } of waiting.splice(0)) answer(failed(calls, failure))
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
        tell(waiting, message.reply)
        if (waiting.length === 0) worker.unref()
      }
    })

    const post = (message: ToWorker) => worker.postMessage(message)
    const line: Line = {
      run: (calls) =>
        new Promise((answer) => {
          if (hasEnded) return answer(failed(calls, failure))
          try {
            post(calls)
          } catch (error) {
            // What cannot be posted, such as a function in an outcome, must not stop what comes after it.
            return answer(failed(calls, failureOf(error)))
          }
          if (waiting.length === 0) worker.ref()
          waiting.push({ calls, answer })
        }),
      close() {
        mayEnd = true
        worker.ref()
        post(null)
        return exit
      },
    }
  })

/** Throws an EngineError, a Failure or SQLite's own error. `onLost` is called if the thread dies later. */
export const openLine = async (
  worker: URL | null,
  place: Place,
  logger: Logger,
  onLost: (failure: Failure) => void,
): Promise<Line> => {
  if (worker) return thread(worker, place, onLost)
  const line = await mainThread(place)
  logger.warn(
    { database: place.path },
    "the file of smshook's worker thread is missing, so the database works on the main thread and holds up the app; tell the bundler to leave smshook out (to treat it as external)",
  )
  return line
}
