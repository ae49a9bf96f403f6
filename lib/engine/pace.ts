// How many calls may wait for the store, by how fast it answers: whoever waits for longer than a sender does had
// better hear at once that there is no room. What is refused is sent again.

/** However fast the store is, so that the host's memory is not filled. */
const mostWaiting = 10_000
/** However slow it seems: one slow transaction must not shut everybody out. */
const fewestWaiting = 100
/** A transaction of fewer calls does not tell: its flush takes as long as that of many that share one. */
const fewestTelling = 32
/** What may wait is what is answered in this time, so that an acknowledgement takes less than a second. */
const waitMs = 500
/** While calls are answered sooner than this, the store keeps up with whatever comes. */
const soonMs = 100
/** A store that has not answered a call for this long hangs; senders give up after 5 s. */
const silentMs = 2_500
/** How much of the pace is that of the transactions before. */
const memory = 0.8

export type Pace = {
  /** `count` calls were answered after `busyMs` of work; the first of those that can be refused waited `waitedMs`. */
  answered(count: number, busyMs: number, waitedMs: number): void
  /** Whether another call may wait with `waiting` others, the first of which has waited for `waitedMs`. */
  mayWait(waiting: number, waitedMs: number): boolean
}

export const createPace = (): Pace => {
  let calls = 0
  let ms = 0
  let most = mostWaiting
  return {
    answered(count, busyMs, waitedMs) {
      // The store takes all that waits, so that few calls are no backlog, however long their flush takes.
      if (waitedMs < soonMs || count < fewestTelling) most = mostWaiting
      if (count < fewestTelling) return
      calls = calls * memory + count
      ms = ms * memory + busyMs
      const answeredInTime = (waitMs * calls) / ms
      if (waitedMs >= soonMs) most = Math.min(Math.max(answeredInTime, fewestWaiting), mostWaiting)
    },
    mayWait: (waiting, waitedMs) => waiting < most && waitedMs < silentMs,
  }
}
