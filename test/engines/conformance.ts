// What every engine promises, as tests. An engine's own test calls `conformance` with what starts one; nothing
// in here knows how any of them stores. The promises stand in the folder of the same name.
import type { Engine } from '../../lib/engine.ts'
import { accepting } from './conformance/accepting.ts'
import { claiming } from './conformance/claiming.ts'
import { ending } from './conformance/ending.ts'
import { erasing } from './conformance/erasing.ts'
import { gathering } from './conformance/gathering.ts'
import { leasing } from './conformance/leasing.ts'
import { mailing } from './conformance/mailing.ts'
import { opening } from './conformance/opening.ts'
import { pruning } from './conformance/pruning.ts'
import { reading } from './conformance/reading.ts'
import { settling } from './conformance/settling.ts'
import { waking } from './conformance/waking.ts'

export type Subject = {
  /** Open, empty, and alone on its store. */
  engine: Engine
  /** The engine's own time, in milliseconds since the Unix epoch. */
  now(): number
  /** Moves the engine's time on. */
  advance(ms: number): Promise<void>
  /** A second engine on the same store, as in another process, not open yet; ended with the first. */
  another(): Engine
  /** Opens one that `another` made. */
  open(engine: Engine): Promise<void>
}
/** One promise and its proof. */
export type Check = (promise: string, proof: (subject: Subject) => Promise<void>) => void

const parts = {
  opening,
  accepting,
  claiming,
  settling,
  leasing,
  ending,
  mailing,
  gathering,
  waking,
  reading,
  pruning,
  erasing,
}

/**
 * Runs the suite. `skip` names promises that this engine cannot make and says why; a promise that does not
 * exist, or a reason that is empty, fails.
 */
export const conformance = (
  name: string,
  start: () => Promise<Subject & { end(): Promise<void> }>,
  skip: Readonly<Record<string, string>> = {},
): void => {
  const unknown = new Set(Object.keys(skip))
  const check: Check = (promise, proof) => {
    const reason = skip[promise]
    unknown.delete(promise)
    if (reason) {
      process.stderr.write(`${name} skips "${promise}": ${reason}\n`)
      return test.skip(`${promise} (${reason})`, () => {})
    }
    test(promise, async () => {
      const subject = await start()
      try {
        await proof(subject)
      } finally {
        await subject.end()
      }
    })
  }
  describe(name, () => {
    for (const [title, part] of Object.entries(parts)) describe(title, () => part(check))
    test('skips only promises that exist', () => expect([...unknown]).toEqual([]))
  })
}
