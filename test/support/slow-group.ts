// Group commit over a store that answers when the test says so, in time that passes when the test says so.
import { createGroup } from '../../lib/engines/sqlite/group.ts'
import type { Line } from '../../lib/engines/sqlite/line.ts'
import type { Call, Reply } from '../../lib/engines/sqlite/store.ts'

/** A group over a line that answers when it is told to. */
export const slowGroup = () => {
  const batches: { calls: readonly Call[]; answer: (reply?: Partial<Reply>) => void }[] = []
  let woken = 0
  let elapsed = 0
  let tell = (_reply: Reply) => {}
  const line: Line = {
    send: (calls) => {
      const answers = calls.map(({ id, now }) => ({ id, value: now }))
      batches.push({ calls, answer: (with_) => tell({ answers, isDue: false, ...with_ }) })
    },
    onReply: (listener) => {
      tell = listener
    },
    close: async () => {},
  }
  const group = createGroup(
    line,
    'here',
    () => {
      woken += 1
    },
    () => elapsed,
  )
  const pass = (ms: number) => {
    elapsed += ms
  }
  const call = (n: number, chars = 1) => group.call('accept', [], n, chars)
  return { group, batches, call, pass, woken: () => woken }
}
/** The rest of this turn of the event loop. */
export const turn = () => new Promise((resolve) => setImmediate(resolve))
