// Concurrency, overall and for each endpoint.
import fc from 'fast-check'
import { createSlots } from '../../lib/outbound/slots.ts'
import { settled } from '../support/manual-clock.ts'

/** Takes a slot and says whether it has it already. */
const taker = (slots: ReturnType<typeof createSlots>) => async (id: string) => {
  const taken = { has: false }
  void slots.take(id).then(() => {
    taken.has = true
  })
  await settled(1)
  return taken
}

test('a slot is had at once while there are some, then when one is given back', async () => {
  const slots = createSlots({ overall: 3, each: 1, of: {} })
  const take = taker(slots)
  const [first, second, other] = [await take('a'), await take('a'), await take('b')]
  expect([first.has, second.has, other.has]).toEqual([true, false, true])
  slots.give('a')
  await settled(1)
  expect(second.has).toBe(true)
})

test('those who wait for a busy endpoint do not stand in the way of others', async () => {
  const slots = createSlots({ overall: 4, each: 1, of: { wide: 3 } })
  const take = taker(slots)
  for (let n = 0; n < 20; n += 1) await take('dead')
  expect(slots.free().limit).toBe(3)
  expect((await take('healthy')).has).toBe(true)
  expect(slots.free().limit).toBe(2)
})

test('what is free is told for each endpoint that is not like the others', () => {
  const slots = createSlots({ overall: 9, each: 2, of: { wide: 5 } })
  expect(slots.free()).toEqual({ limit: 9, room: { default: 2, of: { wide: 5 } } })
  void slots.take('wide')
  void slots.take('other')
  void slots.take('other')
  void slots.take('other')
  expect(slots.free()).toEqual({ limit: 6, room: { default: 2, of: { wide: 4, other: 0 } } })
})

test('an endpoint may have any name', () => {
  const slots = createSlots({ overall: 9, each: 2, of: {} })
  void slots.take('__proto__')
  void slots.take('constructor')
  expect(Object.entries(slots.free().room.of)).toEqual([
    ['__proto__', 1],
    ['constructor', 1],
  ])
})

describe('over any order of taking and giving', () => {
  const ids = ['a', 'b', 'c'] as const
  const anyStep = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), id: fc.constantFrom(...ids) }),
    fc.record({ kind: fc.constant('give' as const), nth: fc.nat() }),
  )

  test('limits hold, the first come is the first served, and in the end all is free', async () => {
    const run = fc.asyncProperty(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(anyStep, { maxLength: 60 }),
      async (overall, each, steps) => {
        const slots = createSlots({ overall, each, of: { a: 2 } })
        const limit = (id: string) => (id === 'a' ? 2 : each)
        const having: { id: string; order: number }[] = []
        const served: Record<string, number[]> = { a: [], b: [], c: [] }
        let taken = 0

        const check = () => {
          expect(having.length).toBeLessThanOrEqual(overall)
          const { limit: free, room } = slots.free()
          expect(free).toBe(overall - having.length)
          for (const id of ids) {
            const count = having.filter((one) => one.id === id).length
            expect(count).toBeLessThanOrEqual(limit(id))
            expect(room.of[id] ?? room.default).toBe(limit(id) - count)
          }
        }
        const giveNth = (nth: number) => {
          const [one] = having.splice(nth % having.length, 1)
          slots.give(one!.id)
        }

        for (const step of steps) {
          if (step.kind === 'take') {
            const { id } = step
            const order = taken++
            void slots.take(id).then(() => {
              having.push({ id, order })
              served[id]!.push(order)
            })
          } else if (having.length > 0) giveNth(step.nth)
          await Promise.resolve()
          await Promise.resolve()
          check()
        }
        // Nobody starves: giving back what is had serves everyone who waits.
        while (having.length > 0) {
          giveNth(0)
          await Promise.resolve()
          await Promise.resolve()
          check()
        }
        expect(Object.values(served).flat()).toHaveLength(taken)
        for (const orders of Object.values(served)) expect(orders).toEqual(orders.toSorted((a, b) => a - b))
        expect(slots.free()).toEqual({ limit: overall, room: { default: each, of: { a: 2 } } })
      },
    )
    await fc.assert(run, { numRuns: 300 })
  })
})
