// Processes on one PostgreSQL are killed again and again under load: what they had in work is tried again by the
// others, nothing that was acknowledged is lost, and nothing is tried by two at once.
//   TORTURE_SCALE=3    50 kills instead of the few of every day
//   TORTURE_SEED=1234  the first seed, which is printed with each kill, to see one again
import type { Found } from '../../lib/engine.ts'
import { describeMoment } from '../crash/cycle.ts'
import { figures, quantile } from '../crash/figures.ts'
import { faultsOf } from '../crash/ledger.ts'
import { randomOf } from '../crash/moments.ts'
import { startOutside } from '../crash/outside.ts'
import { mailsOf, verdict } from '../crash/verdict.ts'
import { killApps } from '../support/app-process.ts'
import { ownServer } from '../support/postgres.ts'
import { scale, seed, tell } from '../support/torture.ts'
import { until } from '../support/until.ts'
import { type Fleet, startFleet } from './crash-fleet.ts'

const kills = scale === 1 ? 3 : Math.round((scale * 50) / 3)
const tries = 10
const posters = 4
/** Of the kills, whose work may wait at once to be taken over. */
const mostWaiting = 2
/** Far more than the 10 s or so after which a process is taken for dead. */
const mostMs = 60_000

const say = (line: string) => process.stderr.write(`postgres: ${line}\n`)

/** How long it took until what was cut off was claimed again, and until its endpoint was asked again. */
const againOf = async ({ kills, record, tries, ledger }: Fleet) => {
  const claims = await record.claims()
  const claimed: number[] = []
  const asked: number[] = []
  for (const { at, cuts } of kills)
    for (const { id, lease, name } of cuts) {
      const index = claims.findIndex((claim) => claim.lease === lease && claim.id === id)
      const next = claims.slice(index + 1).find((claim) => claim.id === id)
      if (!next) continue
      claimed.push(next.at - at)
      const ask = tries.find((one) => one.name === name && one.at >= at)
      // Whoever claimed it may have been killed before it could ask.
      if (ask && !ledger.cut.has(`${name} ${next.lease}`)) asked.push(ask.at - at)
    }
  return { claimed, asked }
}

const said = (durations: readonly number[]): string =>
  `${quantile(durations, 0.5)} median, ${quantile(durations, 0.95)} of 95 %, ${quantile(durations, 1)} most`

test(
  `three processes, ${kills} kills`,
  async () => {
    const server = await ownServer()
    const outside = await startOutside({ mostMs: 200 })
    let fleet: Fleet | null = null
    let isOver = false
    try {
      const settings = { tries, timeoutMs: 2_000, slowness: 10 }
      fleet = await startFleet(3, { url: server.url, outside, settings })
      const { ledger, record, members } = fleet
      const posting = Array.from({ length: posters }, (_, n) => fleet!.post(randomOf(seed + n), () => isOver))
      void Promise.all(posting).catch(() => {})

      const waiting: string[][] = []
      const isTakenOver = async (leases: readonly string[]) => (await record.waiting(leases)).left === 0
      for (let n = 0; n < kills; n += 1) {
        await until(() => outside.totals.asked > 50 * (n + 1), mostMs)
        const { moment, isLate, cuts } = await fleet.kill(seed + n)
        say(
          `cycle ${n + 1}, TORTURE_SEED=${seed + n}: ${describeMoment(moment)}${isLate ? ', which did not come' : ''}; ${cuts.length} in work, ${cuts.filter(({ isTrying }) => isTrying).length} of them in a try`,
        )
        waiting.push(cuts.map(({ lease }) => lease))
        if (waiting.length === mostWaiting) {
          const [oldest] = waiting.splice(0, 1)
          await until(() => isTakenOver(oldest!), mostMs)
        }
      }
      isOver = true
      await Promise.all(posting)
      await until(async () => (await record.waiting([])).pending === 0, mostMs)

      const [{ app }] = members as [(typeof members)[number]]
      const found: Found[] = []
      for (const id of new Set((await app.list()).map(({ event }) => event.id)))
        found.push((await app.find(id))!)
      for (const member of members) member.app.kill('SIGTERM')
      for (const member of members) expect(await member.app.ended).toMatchObject({ code: 0 })

      const { claimed, asked } = await againOf(fleet)
      tell('postgres', {
        ...figures({ ledger, lives: fleet.kills, found, outside }),
        'tried by two at once': fleet.doubles.length,
        'claimed again': said(claimed),
        'tried again': said(asked),
      })
      expect(fleet.doubles).toEqual([])
      expect(verdict(found, { ledger, outside, tries, mails: mailsOf(outside) })).toEqual([])
      const stored = await record.stored()
      expect(faultsOf(ledger, stored)).toEqual([])
      expect(stored.events.length).toBe(found.length)
      expect(claimed.length).toBe(ledger.cut.size)
    } finally {
      isOver = true
      killApps()
      await fleet?.record.end()
      await outside.close()
      await server.end()
    }
  },
  90_000 + kills * 20_000,
)
