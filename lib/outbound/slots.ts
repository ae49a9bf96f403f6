// How many deliveries may be in work at once, overall and for each endpoint. A delivery that waits for its
// next try holds no slot, so that dead endpoints cannot stall the others.
import type { Room } from '../engine.ts'

export type Slots = {
  /** Takes a slot, now or when one is free; first come, first served within an endpoint. */
  take(endpointId: string): Promise<void>
  give(endpointId: string): void
  /** What could be claimed now. Whoever waits, waits for what is not free, and so takes nothing from this. */
  free(): { limit: number; room: Room }
}

type Waiting = { endpointId: string; proceed: () => void }

export const createSlots = (limits: {
  overall: number
  each: number
  of: Readonly<Record<string, number>>
}): Slots => {
  const busy = new Map<string, number>()
  const waiting: Waiting[] = []
  let total = 0

  const limitOf = (id: string) => (Object.hasOwn(limits.of, id) ? limits.of[id]! : limits.each)
  const isFree = (id: string) => total < limits.overall && (busy.get(id) ?? 0) < limitOf(id)
  const occupy = (id: string) => {
    total += 1
    busy.set(id, (busy.get(id) ?? 0) + 1)
  }

  return {
    take: (endpointId) =>
      new Promise((resolve) => {
        const proceed = () => {
          occupy(endpointId)
          resolve()
        }
        if (isFree(endpointId)) proceed()
        else waiting.push({ endpointId, proceed })
      }),
    give: (endpointId) => {
      total -= 1
      const left = (busy.get(endpointId) ?? 1) - 1
      if (left === 0) busy.delete(endpointId)
      else busy.set(endpointId, left)
      const next = waiting.findIndex((one) => isFree(one.endpointId))
      if (next >= 0) waiting.splice(next, 1)[0]!.proceed()
    },
    free: () => {
      // Without a prototype: endpoint ids may come from an operator's data.
      const of: Record<string, number> = Object.assign(Object.create(null), limits.of)
      for (const [id, count] of busy) of[id] = limitOf(id) - count
      return { limit: limits.overall - total, room: { default: limits.each, of } }
    },
  }
}
