// Group commit: calls that come while a transaction is under way share the next one. A flush to disk then costs many
// calls little instead of each call all of it.
import { type Clock, monotonicNow } from '../../clock.ts'
import { createPace } from '../../engine/pace.ts'
import { EngineError } from '../../errors.ts'
import { engineErrorOf, isAway } from './errors.ts'

/** What one transaction takes, so that others need not wait long for it. */
const mostCalls = 500
const mostChars = 8 * 2 ** 20
/** What may wait, so that a slow server cannot fill the host's memory. How many may is said in pace.ts. */
const mostCharsWaiting = 64 * 2 ** 20

/** Whoever posts gives up after 5 s. */
const answerMs = 4_000

type Waiting<Call, Value> = {
  call: Call
  chars: number
  since: number
  resolve: (value: Value) => void
  reject: (error: EngineError) => void
}

export type Batch<Call, Value> = {
  /** `chars` is what the call adds to memory; a call with 0 is never refused for what waits. */
  add(call: Call, chars?: number): Promise<Value>
  /** Resolves when all that was added is answered. */
  drained(): Promise<void>
}

type Parts = {
  location: string
  /** Calls that are not answered by then are refused, whatever becomes of them. Left out, they wait. */
  deadline?: Pick<Clock, 'after'>
}

/**
 * `run` answers the calls in order, all of them in one transaction, or throws what `refused` was aborted with: what
 * has been refused before anything was written need not be stored any more.
 */
export const createBatch = <Call, Value>(
  run: (calls: readonly Call[], refused: AbortSignal) => Promise<Value[]>,
  { location, deadline }: Parts,
  elapsed: () => number = monotonicNow,
): Batch<Call, Value> => {
  const pace = createPace()
  let next: Waiting<Call, Value>[] = []
  let underway: Waiting<Call, Value>[] = []
  let charsWaiting = 0
  let running: Promise<void> | null = null

  const taken = (): Waiting<Call, Value>[] => {
    let chars = 0
    const end = next.findIndex((one, index) => {
      chars += one.chars
      return index === mostCalls || (index > 0 && chars > mostChars)
    })
    const some = end < 0 ? next : next.slice(0, end)
    next = end < 0 ? [] : next.slice(end)
    return some
  }

  const answer = async (some: readonly Waiting<Call, Value>[], refused: AbortSignal): Promise<void> => {
    if (refused.aborted) return
    try {
      const values = await run(
        some.map(({ call }) => call),
        refused,
      )
      some.forEach(({ resolve }, index) => {
        resolve(values[index]!)
      })
    } catch (error) {
      // The one that is at fault must not take the others with it.
      if (some.length > 1 && !isAway(error)) for (const one of some) await answer([one], refused)
      else for (const { reject } of some) reject(engineErrorOf(error, location))
    }
  }

  /** A server that has gone silent keeps nobody waiting. What it stores all the same is known as a repeat. */
  const refuseAll = (refusing: AbortController) => {
    const waiting = next
    next = []
    for (const { chars } of waiting) charsWaiting -= chars
    const error = new EngineError(
      'engine-unreachable',
      `${location} does not answer. Whether this was stored is not known; it may be sent again.`,
    )
    for (const { reject } of [...underway, ...waiting]) reject(error)
    refusing.abort(error)
  }

  const runAll = async () => {
    // All that this turn of the event loop still brings comes along.
    await new Promise((resolve) => setImmediate(resolve))
    while (next.length > 0) {
      underway = taken()
      const began = elapsed()
      const first = underway[0]!
      const refusing = new AbortController()
      const cancel = deadline?.after(answerMs - (began - first.since), () => refuseAll(refusing))
      await answer(underway, refusing.signal)
      cancel?.()
      pace.answered(underway.length, elapsed() - began, elapsed() - first.since)
      for (const { chars } of underway) charsWaiting -= chars
      underway = []
    }
    running = null
  }

  const mayWait = (chars: number): boolean => {
    if (chars === 0) return true
    const waiting = underway.length + next.length
    const oldest = underway[0] ?? next[0]
    const waitedMs = oldest ? elapsed() - oldest.since : 0
    return pace.mayWait(waiting, waitedMs) && (waiting === 0 || charsWaiting + chars <= mostCharsWaiting)
  }

  return {
    add: (call, chars = 0) =>
      new Promise((resolve, reject) => {
        if (!mayWait(chars))
          return reject(
            new EngineError(
              'engine-overloaded',
              `${underway.length + next.length} calls wait for ${location}: it is slower than what arrives. Nothing of this one was stored; it may be sent again.`,
            ),
          )
        charsWaiting += chars
        next.push({ call, chars, since: elapsed(), resolve, reject })
        running ??= runAll()
      }),
    drained: async () => {
      await running
    },
  }
}
