// The line of those deliveries that the process died over more than once. They are tried one at a time, so
// that the one that kills it takes no other with it. Who is suspected is said in decide.ts.
import type { Claim, Engine } from '../engine.ts'

export type Suspects = {
  /** Resolves, once it is this one's turn, to what ends the turn; null when the lease is no longer ours. */
  turn(claim: Claim): Promise<(() => void) | null>
}

export const createSuspects = (engine: Pick<Engine, 'settle' | 'renew'>, leaseMs: number): Suspects => {
  let last = Promise.resolve()

  const join = async (): Promise<() => void> => {
    const before = last
    let end = () => {}
    last = new Promise((resolve) => {
      end = resolve
    })
    await before
    return end
  }

  return {
    async turn({ lease, delivery }) {
      // In line nobody is being tried, and the store has to know before the first one is.
      await engine.settle(lease, null, { to: 'retry', dueAt: delivery.dueAt!, hold: true })
      const end = await join()
      try {
        const [answer] = await engine.renew([lease], leaseMs)
        if (answer === 'renewed') return end
      } catch (error) {
        end()
        throw error
      }
      end()
      return null
    },
  }
}
