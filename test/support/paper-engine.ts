// An engine on paper: just the part that a dispatcher uses, in memory, with every write on record. It answers
// within the same turn of the event loop, so that a manual clock stays in step with it.
import type { Clock } from '../../lib/clock.ts'
import type { Attempt, Delivery, Endpoint, Next } from '../../lib/delivery.ts'
import type { Claim, Engine, Lease, Room } from '../../lib/engine.ts'
import { EngineError } from '../../lib/errors.ts'
import type { SmsEvent } from '../../lib/event.ts'

type Row = {
  event: SmsEvent
  delivery: Delivery
  /** When it may be claimed. */
  readyAt: number
  isTrying: boolean
  token: string | null
  attempts: Attempt[]
}

export type Write = { id: string; attempt: Attempt | null; next: Next; at: number }

type Part = Pick<Engine, 'claim' | 'settle' | 'renew' | 'release' | 'onDue'>

export type PaperEngine = Part & {
  /** Owes an event to an endpoint, due now, and wakes the listeners. */
  owe(event: SmsEvent, endpoint: Endpoint, fields?: Partial<Delivery>): Row
  row(id: string): Row
  readonly rows: readonly Row[]
  /** Every settle that was taken. */
  readonly writes: readonly Write[]
  /** How often each method was called. */
  readonly calls: Record<keyof Part, number>
  /** Methods that reject for now. */
  readonly down: Set<keyof Part>
  /** What a claim waits for after it was made, before it is handed out. */
  transit: (() => Promise<void>) | null
  /** What a settle waits for before it is made. */
  disk: (() => Promise<void>) | null
  /** How many listen for what is due. */
  readonly listening: number
  /** Another process takes the delivery, and keeps it. */
  steal(id: string): void
  /** Tells the listeners that something may be due. */
  wake(): void
}

const rowOf = (
  id: string,
  event: SmsEvent,
  endpoint: Endpoint,
  now: number,
  fields: Partial<Delivery>,
): Row => ({
  event,
  delivery: {
    id,
    eventId: event.id,
    endpoint,
    state: 'pending',
    tries: 0,
    interruptions: 0,
    round: 1,
    createdAt: now,
    dueAt: now,
    endedAt: null,
    reason: null,
    mailId: null,
    ...fields,
  },
  readyAt: fields.dueAt ?? now,
  isTrying: false,
  token: null,
  attempts: [],
})

/** What `claim` hands out: first tries before retries, then the longest due, within each endpoint's room. */
const choose = (rows: Row[], limit: number, room: Room): Row[] => {
  const taken = new Map<string, number>()
  const byUrgency = (a: Row, b: Row) =>
    Math.sign(a.delivery.tries) - Math.sign(b.delivery.tries) || a.readyAt - b.readyAt
  return rows
    .toSorted(byUrgency)
    .filter(({ delivery: { endpoint } }) => {
      const count = taken.get(endpoint.id) ?? 0
      const isRoom = count < (room.of[endpoint.id] ?? room.default)
      if (isRoom) taken.set(endpoint.id, count + 1)
      return isRoom
    })
    .slice(0, limit)
}

export const paperEngine = (clock: Clock): PaperEngine => {
  const rows = new Map<string, Row>()
  const writes: Write[] = []
  const listeners = new Set<() => void>()
  const calls = { claim: 0, settle: 0, renew: 0, release: 0, onDue: 0 }
  const down = new Set<keyof Part>()
  let tokens = 0

  const called = async (name: keyof Part) => {
    calls[name] += 1
    if (down.has(name)) throw new EngineError('engine-failed', 'it is down')
  }
  const leased = ({ id, token }: Lease): Row | null => {
    const row = rows.get(id)
    return row?.token === token ? row : null
  }
  const wake = () => {
    for (const listener of listeners) listener()
  }

  const engine: PaperEngine = {
    transit: null,
    disk: null,
    get listening() {
      return listeners.size
    },
    get rows() {
      return [...rows.values()]
    },
    writes,
    calls,
    down,
    wake,
    row: (id) => rows.get(id)!,
    owe: (event, endpoint, fields = {}) => {
      const id = `d${rows.size + 1}`
      const row = rowOf(id, event, endpoint, clock.now(), fields)
      rows.set(id, row)
      wake()
      return row
    },
    steal: (id) => {
      Object.assign(rows.get(id)!, { token: 'somebody else', readyAt: Number.POSITIVE_INFINITY })
    },

    claim: async ({ limit, leaseMs, room }) => {
      await called('claim')
      const now = clock.now()
      const due = [...rows.values()].filter(
        ({ delivery, readyAt }) => delivery.state === 'pending' && readyAt <= now,
      )
      tokens += 1
      const claims = choose(due, limit, room).map((row): Claim => {
        if (row.isTrying) row.delivery.interruptions += 1
        Object.assign(row, { isTrying: true, token: `t${tokens}`, readyAt: now + leaseMs })
        const { event, delivery } = row
        return { lease: { id: delivery.id, token: row.token! }, event, delivery: structuredClone(delivery) }
      })
      await engine.transit?.()
      return claims
    },
    settle: async (lease, attempt, next) => {
      await called('settle')
      await engine.disk?.()
      const row = leased(lease)
      if (!row) return 'lost'
      const { delivery } = row
      writes.push({ id: lease.id, attempt, next, at: clock.now() })
      row.isTrying = false
      if (attempt) {
        row.attempts.push(attempt)
        delivery.tries += 1
      }
      if (next.to === 'retry') {
        delivery.dueAt = next.dueAt
        row.readyAt = next.hold ? Math.max(next.dueAt, row.readyAt) : next.dueAt
        if (!next.hold) row.token = null
        return 'settled'
      }
      Object.assign(delivery, { state: next.to, dueAt: null, reason: 'reason' in next ? next.reason : null })
      row.token = null
      return 'settled'
    },
    renew: async (leases, leaseMs) => {
      await called('renew')
      return leases.map((lease) => {
        const row = leased(lease)
        if (!row) return 'lost'
        if (row.delivery.dueAt! <= clock.now()) row.isTrying = true
        row.readyAt = Math.max(row.delivery.dueAt!, clock.now() + leaseMs)
        return 'renewed'
      })
    },
    release: async (leases) => {
      await called('release')
      for (const lease of leases) {
        const row = leased(lease)
        if (row) Object.assign(row, { token: null, isTrying: false, readyAt: row.delivery.dueAt! })
      }
    },
    onDue: (listener) => {
      calls.onDue += 1
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  return engine
}
