// What becomes of a mail by how somebody stands, and which mails one digest takes.
import type { DigestRule } from '../../lib/digest.ts'
import { membersOf, stepOf } from '../../lib/engine/digesting.ts'

const rule: DigestRule = { mailsPerHour: 2, waitMs: 100, mostMessages: 3, mostBytes: 10 }

test.each([
  [{ sent: 1, lastAt: 1_000, waiting: 3 }, { to: 'send' }],
  [
    { sent: 2, lastAt: 901, waiting: 2 },
    { to: 'park', until: 1_001 },
  ],
  [{ sent: 2, lastAt: 900, waiting: 1 }, { to: 'gather' }],
  [{ sent: 2, lastAt: 1_000, waiting: 3 }, { to: 'gather' }],
  [{ sent: 2, lastAt: Number.NEGATIVE_INFINITY, waiting: 1 }, { to: 'gather' }],
])('%j: %j', (standing, step) => {
  expect(stepOf(standing, rule, 1_000)).toEqual(step)
})

test.each([
  [[], 0],
  [[4, 6, 1], 2],
  [[4, 7], 1],
  [[11, 1], 1],
  [[1, 1, 1, 1], 3],
])('of %j bytes it takes the first %i', (sizes, count) => {
  const oldest = sizes.map((bytes) => ({ bytes }))
  expect(membersOf(oldest, rule)).toEqual(oldest.slice(0, count))
})
