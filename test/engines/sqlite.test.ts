// The promises of every engine, kept by SQLite: in a file with the worker thread, and in memory without it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine } from '../../lib/engine.ts'
import { sqlite, sqliteOn } from '../../lib/engines/sqlite.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recorder } from '../support/recorder.ts'
import { conformance } from './conformance.ts'

const longestSteppedMs = 3_600_000

const starting = (make: (folder: string) => Engine) => async () => {
  const folder = mkdtempSync(join(tmpdir(), 'smshook-'))
  const hands = manualClock()
  let leaptMs = 0
  const clock = { ...hands, now: () => hands.now() + leaptMs }
  const engines: Engine[] = []
  const another = () => {
    const engine = make(folder)
    engines.push(engine)
    return engine
  }
  const open = (engine: Engine) => engine.open({ clock, logger: recorder() })
  const engine = another()
  await open(engine)
  return {
    engine,
    now: clock.now,
    // A week of the engine's looking every second would take seconds.
    advance: async (ms: number) => {
      const steppedMs = Math.min(ms, longestSteppedMs)
      leaptMs += ms - steppedMs
      await hands.advance(steppedMs)
    },
    another,
    open,
    end: async () => {
      await Promise.all(engines.map((one) => one.close()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const alone = 'what is in memory ends with its engine and is seen by no other'

conformance(
  'sqlite in a file',
  starting((folder) => sqlite(join(folder, 'sms.db'))),
)
conformance(
  'sqlite in memory',
  starting(() => sqliteOn(null, ':memory:')),
  {
    'what was accepted is there after a restart': alone,
    'whoever takes over may claim at once what was in work, as an interruption': alone,
    'whoever takes over may claim at once the mails in work': alone,
    'whoever takes over counts the mails in work as interrupted': alone,
    'the hour survives a restart': alone,
    'the halves survive a restart, and whoever takes over claims them': alone,
    'two engines on one store never claim the same delivery': alone,
  },
)
