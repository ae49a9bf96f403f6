// A real process is killed again and again while posts arrive and tries run, always on the same file, and
// nothing that it acknowledged may be lost.
//   TORTURE_SCALE=10   200 kills instead of the 20 of every day
//   TORTURE_SEED=1234  the first seed, which is printed with each cycle, to see one again
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Found } from '../../lib/engine.ts'
import { type AppSettings, killApps, startApp } from '../support/app-process.ts'
import { scale, seed, tell } from '../support/torture.ts'
import { until } from '../support/until.ts'
import { describeMoment, type Life, live } from './cycle.ts'
import { figures, quantile } from './figures.ts'
import { createLedger, faultsOf, recordKill } from './ledger.ts'
import { startOutside } from './outside.ts'
import { snapshot } from './snapshot.ts'
import { mailsOf, verdict } from './verdict.ts'

const cycles = 20 * scale
const tries = 10

const say = (line: string) => process.stderr.write(`crash: ${line}\n`)

test(
  `${cycles} kills lose nothing that was acknowledged`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'smshook-crash-'))
    const file = join(folder, 'sms.db')
    const outside = await startOutside()
    const ledger = createLedger()
    const { url, smtp } = outside
    const settings: Omit<AppSettings, 'death'> = {
      file,
      outside: url,
      smtp: smtp.url,
      tries,
      timeoutMs: 250,
    }
    const lives: Life[] = []

    try {
      for (let cycle = 0; cycle < cycles; cycle += 1) {
        const life = await live({ ledger, outside, settings }, seed + cycle)
        lives.push(life)
        const left = snapshot(file)
        say(
          `cycle ${cycle + 1}, TORTURE_SEED=${seed + cycle}: ${describeMoment(life.moment)}${life.isLate ? ', which did not come' : ''}; ${life.posts} posts, ${left.deliveries.length} deliveries in work`,
        )
        expect(faultsOf(ledger, left)).toEqual([])
        recordKill(ledger, left)
      }

      const app = startApp({ ...settings, death: null })
      await app.ready
      const isOver = async () => {
        const { deliveries, mails } = await app.counts()
        return deliveries.pending + deliveries.mailing + mails.pending === 0
      }
      await until(isOver, 30_000 + cycles * 500)
      const ids = new Set((await app.list()).map(({ event }) => event.id))
      const found: Found[] = []
      for (const id of ids) found.push((await app.find(id))!)
      app.kill('SIGTERM')
      expect(await app.ended).toMatchObject({ code: 0 })

      const again = lives.flatMap(({ againMs }) => againMs ?? [])
      tell('crash', {
        ...figures({ ledger, lives, found, outside }),
        'tried again after ready': `${quantile(again, 0.5)} median, ${quantile(again, 1)} most`,
      })
      expect(verdict(found, { ledger, outside, tries, mails: mailsOf(outside) })).toEqual([])
      const left = snapshot(file)
      expect(faultsOf(ledger, left)).toEqual([])
      expect(left.events.length).toBe(found.length)
      const db = new DatabaseSync(file)
      expect(
        db.prepare('SELECT delivery, round FROM attempts GROUP BY 1, 2 HAVING count(*) > ?').all(tries),
      ).toEqual([])
      db.close()
    } finally {
      killApps()
      await outside.close()
      rmSync(folder, { recursive: true })
    }
  },
  60_000 + cycles * 5_000,
)
