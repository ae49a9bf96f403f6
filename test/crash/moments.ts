// The moments at which the app is killed, drawn from a seed.
import type { Death } from '../support/app-process.ts'

/** From 0 (inclusive) to 1 (exclusive); the same numbers for the same seed. */
export type Random = () => number

/** Mulberry32: small, and good enough to choose with. */
export const randomOf = (seed: number): Random => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export const upTo = (random: Random, most: number): number => 1 + Math.floor(random() * most)
export const pick = <Item>(random: Random, items: readonly Item[]): Item =>
  items[Math.floor(random() * items.length)]!

export type Moment =
  /** After the nth 200 that a poster got. */
  | { at: 'acknowledged'; nth: number }
  /** While the nth post of this start is under way. */
  | { at: 'posted'; nth: number; ms: number }
  /** When the nth try arrives at an endpoint, before it is answered. */
  | { at: 'asked'; nth: number }
  /** When an endpoint has answered 200 for the nth time. */
  | { at: 'taken'; nth: number }
  /** When the mail server has a whole message and has not answered. */
  | { at: 'mail' }
  /** So long after the process was started, which may be before it is ready. */
  | { at: 'started'; ms: number }
  /** By its own hand, at a call of the engine. */
  | { at: 'call'; death: Death }

const calls = { accept: 15, claim: 12, settle: 40, claimMails: 4, settleMail: 4 } as const

const deathOf = (random: Random): Death => {
  const call = pick(random, Object.keys(calls) as (keyof typeof calls)[])
  return { call, nth: upTo(random, calls[call]), when: pick(random, ['before', 'during', 'after']) }
}

const kinds: ((random: Random) => Moment)[] = [
  (random) => ({ at: 'acknowledged', nth: upTo(random, 20) }),
  (random) => ({ at: 'call', death: deathOf(random) }),
  (random) => ({ at: 'asked', nth: upTo(random, 60) }),
  () => ({ at: 'mail' }),
  (random) => ({ at: 'call', death: deathOf(random) }),
  (random) => ({ at: 'taken', nth: upTo(random, 15) }),
  (random) => ({ at: 'posted', nth: upTo(random, 20), ms: random() * 3 }),
  (random) => ({ at: 'call', death: deathOf(random) }),
  (random) => ({ at: 'started', ms: random() * 1200 }),
]

/** Seeds that follow one another go through all kinds. */
export const momentOf = (seed: number, random: Random): Moment => kinds[seed % kinds.length]!(random)
