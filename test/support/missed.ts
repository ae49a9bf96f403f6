// A message that its endpoint missed, on its way into an email: real engine, real mail server, and a clock that
// the test turns. Closed by `closeMissed`, which belongs into an `afterEach`.
import type { Engine } from '../../lib/engine.ts'
import { createDispatcher, type FallbackOptions, sqlite } from '../../lib/index.ts'
import { smsEvent } from './events.ts'
import { manualClock } from './manual-clock.ts'
import { recorder } from './recorder.ts'
import { type Smtp, type SmtpOptions, startSmtp } from './smtp.ts'
import { watch } from './watch.ts'

export const minute = 60_000
export const hour = 60 * minute
/** Tries before the email. */
export const tries = 2

const closing: (() => unknown)[] = []

export const closeMissed = async (): Promise<void> => {
  for (const close of closing.splice(0).reverse()) await close()
}

export const missing = async (
  options: SmtpOptions = {},
  fallback: (smtp: Smtp) => Partial<FallbackOptions> = () => ({}),
  engine: Engine = sqlite(':memory:'),
) => {
  const smtp = await startSmtp(options)
  const clock = manualClock()
  const logger = recorder()
  // Nothing but `run` looks for what is due, so that hours pass at once.
  await engine.open({ clock: { ...clock, after: () => () => {} }, logger })
  let tried = 0
  const dispatcher = createDispatcher({
    engine,
    deliverTo: {
      crm: {
        handler: () => {
          tried += 1
          throw new Error('out of paper')
        },
        policy: { tries, delaysMs: [0] },
      },
    },
    fallback: { smtp: smtp.url, from: 'sms@example.com', to: 'owner@example.com', ...fallback(smtp) },
    clock,
    logger,
  })
  const signals = watch(dispatcher.on)
  closing.push(
    smtp.close,
    () => engine.close(),
    async () => {
      const closed = dispatcher.close(0)
      await clock.advance(1)
      await closed
    },
  )
  return {
    smtp,
    clock,
    logger,
    signals,
    run: () => dispatcher.runDue(),
    /** Stores one and makes what is due of it: its tries, and the first attempt to mail it. */
    miss: async (fields: Parameters<typeof smsEvent>[0] = {}) => {
      const event = smsEvent(fields)
      await dispatcher.accept([event])
      await dispatcher.runDue()
      return event.id
    },
    /** The only delivery of an event; its tries are as many as they were before there was an email. */
    story: async (id: string) => {
      const { delivery, attempts, mail } = (await engine.find(id))!.deliveries[0]!
      expect(attempts).toHaveLength(tries)
      expect(delivery.tries).toBe(tries)
      return { state: delivery.state, mail: mail! }
    },
    /** Calls of the endpoint so far. */
    tried: () => tried,
  }
}
