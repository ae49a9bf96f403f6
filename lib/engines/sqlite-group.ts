// Group commit, on the main thread: calls that arrive while a batch is being written form the next batch, and
// each batch is one transaction. A flush to disk then costs many calls little instead of each call all of it.
import { EngineError } from '../errors.ts'
import { engineErrorOf } from './sqlite-errors.ts'
import type { Line } from './sqlite-line.ts'
import type { Call, Input, Name, Output } from './sqlite-store.ts'

/** What may wait to be stored, so that a slow disk cannot fill the host's memory. */
const mostWaiting = 10_000
const mostCharsWaiting = 64 * 2 ** 20

// Beyond this a larger batch saves nothing more and only lets the first in it wait longer.
const mostInBatch = 1000

type Waiting = Call & { chars: number; resolve: (value: never) => void; reject: (error: EngineError) => void }

export type Group = {
  /** `chars` is what the call adds to memory; a call with 0 is never refused for what waits. */
  call<N extends Name>(name: N, input: Input<N>, now: number, chars?: number): Promise<Output<N>>
  /** Resolves when all that was called is answered. */
  drained(): Promise<void>
}

export const createGroup = (line: Line, location: string, onDue: () => void): Group => {
  let queue: Waiting[] = []
  let charsWaiting = 0
  let work: Promise<void> | null = null

  const refuse = () =>
    new EngineError(
      'engine-overloaded',
      `${queue.length} calls wait for ${location}: the disk is slower than what arrives. Nothing of this one was stored; it may be sent again.`,
    )

  const write = async (batch: Waiting[]) => {
    const { answers, isDue } = await line.run(batch.map(({ name, now, input }) => ({ name, now, input })))
    batch.forEach(({ resolve, reject }, index) => {
      const answer = answers[index]!
      if ('value' in answer) resolve(answer.value as never)
      else reject(engineErrorOf(answer.failure, location))
    })
    if (isDue) onDue()
  }

  const writeAll = async () => {
    // What else this turn of the event loop calls belongs to the same batch.
    await null
    while (queue.length > 0) {
      const batch = queue.slice(0, mostInBatch)
      queue = queue.slice(mostInBatch)
      for (const { chars } of batch) charsWaiting -= chars
      await write(batch)
    }
    work = null
  }

  return {
    call: (name, input, now, chars = 0) =>
      new Promise((resolve, reject) => {
        const isFull =
          queue.length >= mostWaiting || (queue.length > 0 && charsWaiting + chars > mostCharsWaiting)
        if (chars > 0 && isFull) return reject(refuse())
        charsWaiting += chars
        queue.push({ name, now, input, chars, resolve, reject })
        work ??= writeAll()
      }),
    drained: async () => {
      await work
    },
  }
}
