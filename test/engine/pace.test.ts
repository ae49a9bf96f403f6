// How many calls may wait for the store: what it answers in half a second, once it does not keep up any more.
import { createPace } from '../../lib/engine/pace.ts'

/** The most that may wait. */
const roomOf = ({ mayWait }: ReturnType<typeof createPace>): number => {
  let most = 0
  while (mayWait(most, 0)) most += 1
  return most
}

test('a store that keeps up takes whatever comes, up to 10,000', () => {
  const pace = createPace()
  expect(roomOf(pace)).toBe(10_000)
  // One commit of 90 ms for one call says nothing of a hundred that share it.
  pace.answered(1, 90, 90)
  expect(roomOf(pace)).toBe(10_000)
})

test('one that does not takes what it answers in half a second, and follows its pace', () => {
  const pace = createPace()
  for (let n = 0; n < 50; n += 1) pace.answered(200, 200, 400)
  expect(roomOf(pace)).toBe(500)
  for (let n = 0; n < 50; n += 1) pace.answered(1_000, 200, 400)
  expect(roomOf(pace)).toBeGreaterThanOrEqual(2_500)
  expect(roomOf(pace)).toBeLessThan(2_510)
  pace.answered(1_000, 20, 30)
  expect(roomOf(pace)).toBe(10_000)
})

test('a flush that takes long for few says nothing of how many can share it', () => {
  const pace = createPace()
  for (let n = 0; n < 50; n += 1) pace.answered(12, 400, 800)
  expect(roomOf(pace)).toBe(10_000)
})

test('few calls in a transaction are all that waited, so that a flush that takes long keeps nobody out', () => {
  const pace = createPace()
  for (let n = 0; n < 50; n += 1) pace.answered(40, 4_000, 8_000)
  expect(roomOf(pace)).toBe(100)
  pace.answered(1, 120, 120)
  expect(roomOf(pace)).toBe(10_000)
})

test('however slow it seems, a hundred may wait', () => {
  const pace = createPace()
  for (let n = 0; n < 50; n += 1) pace.answered(40, 4_000, 8_000)
  expect(roomOf(pace)).toBe(100)
})

test('one that does not answer at all takes nothing more, until it does', () => {
  const { mayWait } = createPace()
  expect([mayWait(1, 2_499), mayWait(1, 2_500), mayWait(0, 0)]).toEqual([true, false, true])
})
