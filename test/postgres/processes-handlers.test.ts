// Handlers run in any process that has them. What is owed to one that only others have is left to them, and goes by
// email as `orphaned` once nobody has had it for ten minutes.

import { claim, endpoint } from '../engines/conformance/steps.ts'
import { smsEvent } from '../support/events.ts'
import { manualClock, settled } from '../support/manual-clock.ts'
import { sharedServer } from '../support/postgres.ts'
import { databaseClock, manualUrl } from '../support/postgres-clock.ts'
import { onFreshSchema } from '../support/postgres-engines.ts'
import { type Smtp, startSmtp } from '../support/smtp.ts'
import { until } from '../support/until.ts'

const server = await sharedServer()

const minuteMs = 60_000
let smtp: Smtp

beforeAll(async () => {
  smtp = await startSmtp()
})
afterAll(() => smtp.close())

/** Two processes, of which one has the handler; time stands still but for `pass`. */
const start = async () => {
  const schema = onFreshSchema(server)
  const clock = manualClock()
  const database = await databaseClock(server.url, `${schema.name}_queue`, clock.now())
  const url = manualUrl(server.url, schema.name)
  const handled: string[] = []
  const deliverTo = { app: { handler: ({ id }: { id: string }) => void handled.push(id) } }
  const fallback = { smtp: smtp.url, from: 'sms@example.com', to: 'owner@example.com' }
  const owed = () => ({ event: smsEvent(), endpoints: [endpoint('app', { kind: 'handler', url: null })] })
  const quiet = () => until(() => database.isQuiet(schema.name))
  return {
    schema,
    handled,
    owed,
    withHandler: () => schema.process({ url, clock, deliverTo, fallback }),
    without: () => schema.process({ url, clock, fallback }),
    /** Steps that a live process shows itself in. */
    pass: async (ms: number) => {
      for (let left = ms; left > 0; left -= 5000) {
        await database.set(clock.now() + Math.min(left, 5000))
        await clock.advance(Math.min(left, 5000))
        await quiet()
        await settled()
      }
    },
    /** Time in which nobody looks. */
    leap: async (ms: number) => {
      await database.set(clock.now() + ms)
      clock.jump(ms)
    },
    end: database.end,
  }
}

describe('a handler', () => {
  test('is called where it is, and nobody else takes what is owed to it', async () => {
    const { withHandler, without, owed, handled, end } = await start()
    const accepting = await without()
    const having = await withHandler()
    await having.engine.accept([owed()])
    await until(() => handled.length === 1)
    await having.dispatcher.close()

    // It is seen in the database by now, and has no process that delivers.
    const one = owed()
    await accepting.engine.accept([one])
    await accepting.dispatcher.runDue()
    expect((await accepting.engine.find(one.event.id))!.deliveries).toMatchObject([
      { delivery: { state: 'pending', tries: 0, interruptions: 0 } },
    ])
    await withHandler()
    await until(() => handled.length === 2)
    expect(accepting.signals.of('mailing')).toEqual([])
    await end()
  })

  test('is waited for as long as a process that has it lives', async () => {
    const { withHandler, without, owed, handled, pass, end } = await start()
    const having = await withHandler()
    const other = await without()
    await having.engine.accept([owed()])
    await until(() => handled.length === 1)
    // Hours without a message.
    await pass(15 * minuteMs)
    const one = owed()
    await other.engine.accept([one])
    await other.dispatcher.runDue()
    await until(() => handled.length === 2)
    expect(other.signals.of('mailing')).toEqual([])
    await end()
  })

  test('that nobody has had for ten minutes: what is owed to it goes by email', async () => {
    const { withHandler, without, owed, handled, leap, end } = await start()
    const having = await withHandler()
    const other = await without()
    await having.engine.accept([owed()])
    await until(() => handled.length === 1)
    await having.dispatcher.close()
    await having.engine.close()

    const one = owed()
    await other.engine.accept([one])
    await leap(10 * minuteMs - 1000)
    await other.dispatcher.runDue()
    expect(other.signals.of('mailing')).toEqual([])
    await leap(2000)
    await other.dispatcher.runDue()
    expect(await other.signals.nth('mailing')).toMatchObject({ event: one.event, reason: 'orphaned' })
    expect(handled).toHaveLength(1)
    await end()
  })

  test('is waited for after hours in which no process ran', async () => {
    const { withHandler, without, owed, handled, pass, leap, end } = await start()
    const having = await withHandler()
    await having.engine.accept([owed()])
    await until(() => handled.length === 1)
    await having.dispatcher.close()
    await having.engine.accept([owed()])
    await having.engine.close()

    await leap(5 * 60 * minuteMs)
    const first = await without()
    await first.dispatcher.runDue()
    await pass(9 * minuteMs)
    expect(first.signals.of('mailing')).toEqual([])
    await withHandler()
    await until(() => handled.length === 2)
    await end()
  })

  test('whoever does not say what it has gets everything', async () => {
    const { withHandler, without, owed, handled, end } = await start()
    const having = await withHandler()
    const other = await without()
    await having.engine.accept([owed()])
    await until(() => handled.length === 1)
    await having.dispatcher.close()
    await other.dispatcher.close()
    await other.engine.accept([owed()])
    expect(
      await other.engine.claim({ limit: 1, leaseMs: 1000, room: { default: 1, of: {} }, handlers: [] }),
    ).toEqual([])
    expect(await claim(other.engine)).toHaveLength(1)
    await end()
  })
})
