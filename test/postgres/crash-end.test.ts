// One of several processes on one PostgreSQL is asked to end under load and gives its tries little time: it leaves
// nothing that others would have to wait for, and they go on with it.
import type { Found } from '../../lib/engine.ts'
import { quantile } from '../crash/figures.ts'
import { randomOf } from '../crash/moments.ts'
import { startOutside } from '../crash/outside.ts'
import { killApps } from '../support/app-process.ts'
import { ownServer } from '../support/postgres.ts'
import { scale, seed, tell } from '../support/torture.ts'
import { until } from '../support/until.ts'
import { type Fleet, startFleet } from './crash-fleet.ts'

const ends = scale

test(
  'what a process gives back at its end is tried by the others at once',
  async () => {
    const server = await ownServer()
    const outside = await startOutside({ mostMs: 2_000 })
    let fleet: Fleet | null = null
    let isOver = false
    try {
      const settings = { tries: 3, timeoutMs: 3_000, graceMs: 500 }
      fleet = await startFleet(2 + ends, { url: server.url, outside, settings })
      const { record, members, tries, doubles } = fleet
      const posting = Promise.all([1, 2].map((n) => fleet!.post(randomOf(seed + n), () => isOver)))
      void posting.catch(() => {})

      const again: number[] = []
      let givenBack = 0
      for (let n = 0; n < ends; n += 1) {
        const before = outside.totals.asked
        await until(() => outside.totals.asked > before + 30, 30_000)
        const { who } = members[0]!
        const { brokenOff, toldAt, at, left } = await fleet.end(members[0]!)
        expect(left).toEqual([])
        givenBack += brokenOff.length
        const next = (name: string) =>
          tries.find((one) => one.name === name && one.who !== who && one.at >= toldAt)
        // One that never was answered may have had its last try, and run out of time, within the grace.
        const isGoneOn = async () => {
          const pending = await record.pending()
          return brokenOff.every((name) => next(name) || !pending.has(name))
        }
        await until(isGoneOn, 30_000)
        again.push(...brokenOff.flatMap((name) => next(name) ?? []).map((one) => Math.max(one.at - at, 0)))
      }
      isOver = true
      await posting
      await until(async () => (await record.waiting([])).pending === 0, 60_000)

      const [{ app }] = members as [(typeof members)[number]]
      const found: Found[] = []
      for (const id of new Set((await app.list()).map(({ event }) => event.id)))
        found.push((await app.find(id))!)
      const deliveries = found.flatMap((one) => one.deliveries.map(({ delivery }) => delivery))
      tell('ends of processes', {
        ends,
        deliveries: deliveries.length,
        'given back in a try': givenBack,
        'tried by two at once': doubles.length,
        'tried again': `${quantile(again, 0.5)} median, ${quantile(again, 1)} most`,
      })
      expect(deliveries.filter(({ interruptions }) => interruptions > 0)).toEqual([])
      expect(doubles).toEqual([])
    } finally {
      isOver = true
      killApps()
      await fleet?.record.end()
      await outside.close()
      await server.end()
    }
  },
  60_000 + ends * 20_000,
)
