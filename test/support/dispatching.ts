// A dispatcher with everything around it in the test's hands: the clock, the engine and the endpoints.
import type { Endpoint, NewMail, Outcome, Policy } from '../../lib/delivery.ts'
import type { SmsEvent } from '../../lib/event.ts'
import { createDispatcher, type DispatcherParts } from '../../lib/outbound/dispatcher.ts'
import { defaultWish } from '../../lib/outbound/select.ts'
import type { Target } from '../../lib/outbound/targets.ts'
import { policies } from '../../lib/policies.ts'
import { createSignals } from '../../lib/signals.ts'
import { deferred } from './deferred.ts'
import { smsEvent, webhookEndpoint } from './events.ts'
import { manualClock, settled } from './manual-clock.ts'
import { paperEngine } from './paper-engine.ts'
import { recorder } from './recorder.ts'
import { watch } from './watch.ts'

export const answer = (status: number): Outcome => ({ type: 'answer', status, retryAfter: null, excerpt: '' })
export const refused: Outcome = { type: 'error', code: 'refused', message: 'nobody listens' }
export const mail: NewMail = { to: ['owner@example.com'], messageId: '<1@example.com>' }

export type Tried = {
  endpointId: string
  eventId: string
  n: number
  at: number
  end(outcome: Outcome): void
}

type Entry = {
  policy?: Partial<Policy>
  concurrency?: number
  /** What comes of a try: an outcome, or nothing when the test will end it. */
  answer?: (n: number, event: SmsEvent) => Outcome | undefined
}

export const dispatching = (entries: Record<string, Entry>, parts: Partial<DispatcherParts> = {}) => {
  const clock = manualClock()
  const engine = paperEngine(clock)
  const logger = recorder()
  const signals = createSignals(logger)
  const tried: Tried[] = []
  const open = new Set<Tried>()
  /** The most tries under way at once, overall and by endpoint. */
  const most: Record<string, number> = {}

  const count = () => {
    const counts: Record<string, number> = { overall: open.size }
    for (const { endpointId } of open) counts[endpointId] = (counts[endpointId] ?? 0) + 1
    for (const [id, number] of Object.entries(counts)) most[id] = Math.max(most[id] ?? 0, number)
  }

  const targets = Object.entries(entries).map(([id, { policy, concurrency = 10, answer }]): Target => {
    const endpoint = webhookEndpoint({ id })
    return {
      endpoint,
      wish: defaultWish,
      policy: { ...policies.sms, ...policy },
      concurrency,
      recipients: null,
      attempt: async (event, n) => {
        const ended = deferred<Outcome>()
        const one: Tried = { endpointId: id, eventId: event.id, n, at: clock.now(), end: ended.resolve }
        tried.push(one)
        open.add(one)
        count()
        const outcome = answer?.(n, event)
        if (outcome) ended.resolve(outcome)
        return ended.promise.finally(() => open.delete(one))
      },
    }
  })
  // As the engines do: the clock alone may have made something due.
  const poll = () => {
    clock.after(1000, () => {
      poll()
      engine.wake()
    })
  }
  poll()

  const byId = new Map(targets.map((target) => [target.endpoint.id, target]))

  const resolve = ({ id }: Endpoint) => byId.get(id) ?? null
  const dispatcher = createDispatcher({
    engine,
    resolve,
    targets,
    fallback: async () => mail,
    clock,
    logger,
    emit: signals.emit,
    random: () => 0,
    ...parts,
  })

  return {
    clock,
    engine,
    logger,
    dispatcher,
    resolve,
    tried,
    open,
    most,
    signals: watch(signals.on),
    /** Owes so many new messages to an endpoint. */
    owe: (endpoint: string | Endpoint, times = 1) =>
      Array.from({ length: times }, () =>
        engine.owe(smsEvent(), typeof endpoint === 'string' ? webhookEndpoint({ id: endpoint }) : endpoint),
      ),
    settled,
    /** A dispatcher that leaves nothing behind when it is closed. */
    stop: async () => {
      for (const one of open) one.end(answer(200))
      await dispatcher.close()
    },
  }
}
