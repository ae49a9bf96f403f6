// The line of suspects: one at a time, and nobody in it counts as being tried.
import type { Claim, Engine, Lease } from '../../lib/engine.ts'
import { isSuspect } from '../../lib/outbound/decide.ts'
import { createSuspects } from '../../lib/outbound/suspects.ts'
import { settled } from '../support/manual-clock.ts'
import { story } from '../support/stories.ts'

type Parts = Pick<Engine, 'settle' | 'renew'>

const claimOf = (id: string): Claim => {
  const { delivery, event } = story()
  return { lease: { id, token: 'token' }, delivery: { ...delivery, id, dueAt: 1 }, event }
}

/** An engine that says what it was told, and the suspects that told it. */
const lineUp = (renew: (lease: Lease) => 'renewed' | 'lost' = () => 'renewed') => {
  const told: string[] = []
  const engine: Parts = {
    settle: async ({ id }, attempt, next) => {
      told.push(`${id} ${next.to} ${'hold' in next && next.hold ? 'held' : ''}${attempt ? ' tried' : ''}`)
      return 'settled'
    },
    renew: async ([lease]) => {
      told.push(`${lease!.id} goes`)
      return [renew(lease!)]
    },
  }
  const suspects = createSuspects(engine, 1000)
  const turns = (...ids: string[]) => ids.map((id) => suspects.turn(claimOf(id)))
  return { told, turns }
}

test('one at a time, in order, and all are held before the first goes', async () => {
  const { told, turns } = lineUp()
  const [first, second, third] = turns('a', 'b', 'c')
  const end = await first!
  await settled()
  expect(told).toEqual(['a retry held', 'b retry held', 'c retry held', 'a goes'])

  end!()
  ;(await second!)!()
  ;(await third!)!()
  expect(told.slice(4)).toEqual(['b goes', 'c goes'])
})

test('a turn whose lease is lost passes on', async () => {
  const { turns } = lineUp(({ id }) => (id === 'a' ? 'lost' : 'renewed'))
  const [first, second] = turns('a', 'b')
  expect(await first).toBeNull()
  expect(await second).not.toBeNull()
})

test('a turn that the engine fails passes on', async () => {
  const { turns } = lineUp(({ id }) => {
    if (id === 'a') throw new Error('the disk is full')
    return 'renewed'
  })
  const [first, second] = turns('a', 'b')
  await expect(first).rejects.toThrow('the disk is full')
  expect(await second).not.toBeNull()
})

test.each([
  { interruptions: 0, tries: 0, suspect: false },
  { interruptions: 1, tries: 0, suspect: false },
  { interruptions: 2, tries: 0, suspect: true },
  { interruptions: 2, tries: 1, suspect: true },
  { interruptions: 2, tries: 2, suspect: false },
  { interruptions: 9, tries: 3, suspect: true },
  { interruptions: 10, tries: 3, suspect: false },
])('$interruptions interruptions and $tries tries: suspect $suspect', ({ suspect, ...standing }) => {
  expect(isSuspect(standing)).toBe(suspect)
})
