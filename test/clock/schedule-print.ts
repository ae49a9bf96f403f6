// A process of its own, started under another time zone by summer-time.test.ts: prints when ten tries are due around
// an instant, as decided and as stored, and what the letter about them says.

import { sqlite } from '../../lib/engines/sqlite.ts'
import { letter } from '../../lib/fallback/letter.ts'
import { decideAfter } from '../../lib/outbound/decide.ts'
import { policies } from '../../lib/policies.ts'
import { smsEvent, webhookEndpoint } from '../support/events.ts'
import { letterContext, story } from '../support/stories.ts'

const start = Number(process.argv[2])
const outcome = { type: 'error', code: 'refused', message: 'nobody listens' } as const
const room = { default: 1, of: {} }
let now = start
const clock = { now: () => now, sleep: () => new Promise<void>(() => {}), after: () => () => {} }
const engine = sqlite(':memory:')
await engine.open({ clock, logger: { info() {}, warn() {}, error() {} } })
const event = smsEvent({ id: 'event-1', occurredAt: null, receivedAt: new Date(start).toISOString() })
await engine.accept([{ event, endpoints: [webhookEndpoint()] }])

const waits: number[] = []
for (let tries = 0; tries < policies.sms.tries - 1; tries += 1) {
  const [claim] = await engine.claim({ limit: 1, leaseMs: 30_000, room })
  const decision = decideAfter(claim!.delivery, outcome, policies.sms, { now, random: 0 })
  if (decision.to !== 'retry') throw new Error(decision.to)
  await engine.settle(
    claim!.lease,
    { n: tries + 1, startedAt: now, tookMs: 1, outcome },
    { ...decision, hold: false },
  )
  const { dueAt } = (await engine.find(event.id))!.deliveries[0]!.delivery
  now = dueAt! - 1
  if ((await engine.claim({ limit: 1, leaseMs: 30_000, room })).length > 0) throw new Error('due too soon')
  waits.push(dueAt! - decision.dueAt, dueAt! - claim!.delivery.dueAt!)
  now = dueAt!
}
const { attempts } = (await engine.find(event.id))!.deliveries[0]!
await engine.close()
const { text } = letter([story({ event, attempts, delivery: { createdAt: start } })], letterContext())
process.stdout.write(JSON.stringify({ waits, text }))
