// The leases of what is in work, kept with one batched renewal every ten seconds.
import type { Lease } from '../../lib/engine.ts'
import { createLeases, leaseMs } from '../../lib/outbound/leases.ts'
import { deferred } from '../support/deferred.ts'
import { manualClock } from '../support/manual-clock.ts'

const lease = (id: string): Lease => ({ id, token: 'one for all of a claim' })

type Answers = ('renewed' | 'lost')[]
const keeping = (renew: (leases: readonly Lease[]) => Promise<Answers> | Answers) => {
  const clock = manualClock()
  const asked: string[][] = []
  const engine = {
    renew: async (leases: readonly Lease[], ms: number) => {
      expect(ms).toBe(leaseMs)
      asked.push(leases.map(({ id }) => id))
      return renew(leases)
    },
  }
  return { clock, asked, leases: createLeases(engine, clock), endsAt: clock.now() + leaseMs }
}
const renewingAll = (leases: readonly Lease[]): Answers => leases.map(() => 'renewed')

test('one renewal for all, until none is left', async () => {
  const { clock, asked, leases, endsAt } = keeping(renewingAll)
  const [a, b] = [lease('a'), lease('b')]
  leases.add(a, endsAt)
  leases.add(b, endsAt)
  await clock.advance(25_000)
  expect(asked).toEqual([
    ['a', 'b'],
    ['a', 'b'],
  ])
  leases.drop(a)
  await clock.advance(10_000)
  expect(asked.slice(2)).toEqual([['b']])
  expect(await Promise.all([leases.isOurs(a), leases.isOurs(b)])).toEqual([false, true])
  leases.drop(b)
  await clock.advance(60_000)
  expect(asked).toHaveLength(3)
  expect(clock.waiting).toBe(0)
  leases.add(lease('c'), clock.now() + leaseMs)
  await clock.advance(10_000)
  expect(asked.slice(3)).toEqual([['c']])
})

test('leases of one claim share a token and are told apart', () => {
  const { leases, endsAt } = keeping(renewingAll)
  const [a, b] = [lease('a'), lease('b')]
  leases.add(a, endsAt)
  leases.add(b, endsAt)
  leases.drop(a)
  expect(leases.all()).toEqual([b])
})

test('a lost one is not ours, the others are', async () => {
  const { clock, leases, endsAt } = keeping((asked) =>
    asked.map(({ id }) => (id === 'a' ? 'lost' : 'renewed')),
  )
  const [a, b] = [lease('a'), lease('b')]
  leases.add(a, endsAt)
  leases.add(b, endsAt)
  await clock.advance(60_000)
  expect(await Promise.all([leases.isOurs(a), leases.isOurs(b)])).toEqual([false, true])
})

test('while renewing fails they are ours until they run out, and again once it works', async () => {
  let isDown = true
  const { clock, leases, endsAt } = keeping((asked) => {
    if (isDown) throw new Error('it is down')
    return renewingAll(asked)
  })
  const a = lease('a')
  leases.add(a, endsAt)
  await clock.advance(leaseMs - 1)
  expect(await leases.isOurs(a)).toBe(true)
  await clock.advance(1)
  expect(await leases.isOurs(a)).toBe(false)
  isDown = false
  await clock.advance(10_000)
  expect(await leases.isOurs(a)).toBe(true)
})

test('one that was dropped while it was being renewed stays dropped', async () => {
  const answered = deferred<Answers>()
  const { clock, leases, endsAt } = keeping(() => answered.promise)
  const a = lease('a')
  leases.add(a, endsAt)
  await clock.advance(10_000)
  leases.drop(a)
  answered.resolve(['renewed'])
  await clock.advance(0)
  expect(leases.all()).toEqual([])
})

test('a renewal counts from when it was asked for, not from when it was answered', async () => {
  const answered = deferred<Answers>()
  const { clock, leases, endsAt } = keeping(() => answered.promise)
  const a = lease('a')
  leases.add(a, endsAt)
  await clock.advance(25_000)
  answered.resolve(['renewed'])
  await clock.advance(10_000 + leaseMs - 25_000 - 1)
  expect(await leases.isOurs(a)).toBe(true)
})
