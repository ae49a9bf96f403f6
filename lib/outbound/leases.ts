// The leases of what is in work: renewed while they are needed, and known to be lost when another may have
// taken over. What is done under a lease is the dispatcher's affair.
import type { Clock } from '../clock.ts'
import type { Engine, Lease } from '../engine.ts'

/** How long another process waits before it takes over what this one has in work. */
export const leaseMs = 30_000

export type Leases = {
  /** `endsAt` is at the latest when the lease ends unless it is renewed. */
  add(lease: Lease, endsAt: number): void
  drop(lease: Lease): void
  /** False once it was dropped, was lost, or ran out and cannot be renewed: another may be at work on it. */
  isOurs(lease: Lease): Promise<boolean>
  /**
   * Before a claim: renews what has run out by the clock, so that we do not take over from ourselves. The clock was
   * set forward, or the whole machine slept. Rejects when the engine does.
   */
  refresh(): Promise<void>
  all(): Lease[]
}

export const createLeases = (engine: Pick<Engine, 'renew'>, clock: Clock): Leases => {
  // By object: all leases of one claim may share a token.
  const ends = new Map<Lease, number>()
  let isTimed = false
  let renewing: Promise<void> | null = null

  const isOver = (endsAt: number) => clock.now() >= endsAt

  const renewAll = async () => {
    const leases = [...ends.keys()]
    if (leases.length === 0) return
    // Counted from before the engine counts, so that we never think longer than it does.
    const endsAt = clock.now() + leaseMs
    const answers = await engine.renew(leases, leaseMs)
    for (const [index, answer] of answers.entries()) {
      const lease = leases[index]!
      if (answer === 'lost') ends.delete(lease)
      else if (ends.has(lease)) ends.set(lease, endsAt)
    }
  }

  const renewSoon = () => {
    if (isTimed || ends.size === 0) return
    isTimed = true
    clock.after(leaseMs / 3, async () => {
      await renewAll().catch(() => {})
      isTimed = false
      renewSoon()
    })
  }

  const refresh = async () => {
    if (![...ends.values()].some(isOver)) return
    renewing ??= renewAll().finally(() => {
      renewing = null
    })
    await renewing
  }

  return {
    add: (lease, endsAt) => {
      ends.set(lease, endsAt)
      renewSoon()
    },
    drop: (lease) => {
      ends.delete(lease)
    },
    isOurs: async (lease) => {
      if (isOver(ends.get(lease) ?? Number.POSITIVE_INFINITY)) await refresh().catch(() => {})
      return !isOver(ends.get(lease) ?? Number.NEGATIVE_INFINITY)
    },
    refresh,
    all: () => [...ends.keys()],
  }
}
