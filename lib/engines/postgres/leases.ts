// The leases that this process was handed: which there are, when each ends by the word of whoever asked for it, and
// which are still to be kept alive. What they are for is the queue's and the rows' affair.
import { randomUUID } from 'node:crypto'
import type { Lease } from '../../engine.ts'
import type { Attempted, QueueName } from './queue.ts'

export type Held = {
  lease: Lease
  queue: QueueName
  group: string | null
  chars: number
  /** The how-manieth time pg-boss handed it out. */
  retryCount: number
  /** By our clock. */
  endsAt: number
  /** It ran out and is due again; until somebody claims it, it may still be settled. */
  isGivenBack: boolean
}

export type Leases = {
  /** Tells this process from all others, in the first part of its tokens. */
  readonly holder: string
  /** For one claim. */
  token(): string
  add(held: Held): void
  /** Undefined when it is not ours any more. */
  get(lease: Lease): Held | undefined
  drop(lease: Lease): void
  /** Those of a queue that nobody has renewed in time, and the others. */
  over(queue: QueueName, now: number): Held[]
  alive(queue: QueueName, now: number): Held[]
}

/** As pg-boss knows it. */
export const attemptOf = ({ lease, retryCount }: Held): Attempted => ({ id: lease.id, retryCount })

export const createLeases = (): Leases => {
  const holder = randomUUID()
  const held = new Map<string, Held>()
  let tokens = 0

  const get = ({ id, token }: Lease): Held | undefined => {
    const one = held.get(id)
    return one?.lease.token === token ? one : undefined
  }

  const all = (queue: QueueName) =>
    [...held.values()].filter((one) => one.queue === queue && !one.isGivenBack)

  return {
    holder,
    token() {
      tokens += 1
      return `${holder}.${tokens}`
    },
    add(one) {
      held.set(one.lease.id, one)
    },
    get,
    drop(lease) {
      if (get(lease)) held.delete(lease.id)
    },
    over: (queue, now) => all(queue).filter(({ endsAt }) => endsAt <= now),
    alive: (queue, now) => all(queue).filter(({ endsAt }) => endsAt > now),
  }
}
