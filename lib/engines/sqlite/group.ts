// Group commit, the main thread's half: calls go to the store many at a time, and the store puts all that has
// come by the time it is free into one transaction. A flush to disk then costs many calls little instead of each
// call all of it.
import { monotonicNow } from '../../clock.ts'
import { createPace } from '../../engine/pace.ts'
import { EngineError } from '../../errors.ts'
import { engineErrorOf } from './errors.ts'
import type { Line } from './line.ts'
import type { Call, Input, Name, Output } from './store.ts'

/** What may wait to be stored, so that a slow disk cannot fill the host's memory. How many may is said in pace.ts. */
const mostCharsWaiting = 64 * 2 ** 20

/**
 * Calls go to the store at the end of the event loop's turn, which costs least, but not more of them at once
 * than this: while a busy turn goes on, the store would have nothing to do.
 */
const together = 12

type Waiting = {
  chars: number
  /** When it went to the store, infinite until then: a host that is busy itself says nothing of the disk. */
  since: number
  resolve: (value: never) => void
  reject: (error: EngineError) => void
}

export type Group = {
  /** `chars` is what the call adds to memory; a call with 0 is never refused for what waits. */
  call<N extends Name>(name: N, input: Input<N>, now: number, chars?: number): Promise<Output<N>>
  /** Resolves when all that was called is answered. */
  drained(): Promise<void>
}

/** All that has come by now is read before: an immediate alone may run in the turn that is under way. */
const afterTurn = (act: () => void) => setImmediate(() => setImmediate(act))

/** `elapsed` is milliseconds that never jump. */
export const createGroup = (
  line: Line,
  location: string,
  onDue: () => void,
  elapsed: () => number = monotonicNow,
): Group => {
  const pace = createPace()
  /** What goes to the store next. */
  let next: Call[] = []
  /** What has no answer yet, by the call's id. */
  const waiting = new Map<number, Waiting>()
  let charsWaiting = 0
  let lastId = 0
  let onDrained = () => {}

  const refuse = () =>
    new EngineError(
      'engine-overloaded',
      `${waiting.size} calls wait for ${location}: the disk is slower than what arrives. Nothing of this one was stored; it may be sent again.`,
    )

  const send = () => {
    if (next.length === 0) return
    const calls = next
    next = []
    const since = elapsed()
    for (const { id } of calls) waiting.get(id)!.since = since
    line.send(calls)
  }

  /** How long the first of them has waited. */
  const oldestMs = () => {
    for (const { since } of waiting.values()) return elapsed() - since
    return 0
  }

  const mayWait = (chars: number, waitedMs: number): boolean =>
    chars === 0 ||
    (pace.mayWait(waiting.size, waitedMs) && (waiting.size === 0 || charsWaiting + chars <= mostCharsWaiting))

  line.onReply(({ answers, isDue, tookMs }) => {
    const now = elapsed()
    let since = Number.POSITIVE_INFINITY
    for (const answer of answers) {
      const one = waiting.get(answer.id)!
      const { chars, resolve, reject } = one
      waiting.delete(answer.id)
      charsWaiting -= chars
      if (chars > 0) since = Math.min(since, one.since)
      if ('value' in answer) resolve(answer.value as never)
      else reject(engineErrorOf(answer.failure, location))
    }
    if (tookMs !== undefined && since < now) pace.answered(answers.length, tookMs, now - since)
    if (waiting.size === 0) onDrained()
    if (isDue) onDue()
  })

  return {
    call: (name, input, now, chars = 0) =>
      new Promise((resolve, reject) => {
        const take = () => {
          lastId += 1
          charsWaiting += chars
          waiting.set(lastId, { chars, since: Number.POSITIVE_INFINITY, resolve, reject })
          next.push({ id: lastId, name, now, input })
          if (next.length === 1) setImmediate(send)
          else if (next.length === together) send()
        }
        if (mayWait(chars, oldestMs())) return take()
        if (!mayWait(chars, 0)) return reject(refuse())
        // The store seems silent, but the answers that came while the host was busy are yet to be read.
        afterTurn(() => (mayWait(chars, oldestMs()) ? take() : reject(refuse())))
      }),
    drained: () =>
      new Promise((resolve) => {
        onDrained = resolve
        if (waiting.size === 0) resolve()
      }),
  }
}
