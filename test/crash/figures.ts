// What happened, in a few numbers, for whoever reads the output of the test.
import type { Found } from '../../lib/engine.ts'
import type { Ledger } from './ledger.ts'
import type { Outside } from './outside.ts'

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, one) => total + one, 0)

type Ran = {
  ledger: Ledger
  /** `isLate`: the moment at which it was to be killed did not come. */
  lives: readonly { isLate: boolean }[]
  found: readonly Found[]
  outside: Outside
}

/** `0.5` is the median, `1` the most. */
export const quantile = (numbers: readonly number[], share: number): string => {
  const sorted = [...numbers].sort((a, b) => a - b)
  const value = sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)]
  return value === undefined ? 'none' : `${value.toFixed(0)} ms`
}

export const figures = ({ ledger, lives, found, outside }: Ran): Record<string, string | number> => {
  const posts = [...ledger.posts.values()]
  const deliveries = found.flatMap((one) => one.deliveries)
  const inState = (state: string) => deliveries.filter(({ delivery }) => delivery.state === state).length
  const tried = [...outside.tried.values()]
  return {
    kills: lives.length,
    'moments that did not come': lives.filter(({ isLate }) => isLate).length,
    messages: posts.length,
    acknowledged: posts.filter(({ isAcknowledged }) => isAcknowledged).length,
    stored: found.length,
    deliveries: deliveries.length,
    delivered: inState('delivered'),
    emailed: inState('emailed'),
    attempts: sum(deliveries.map(({ attempts }) => attempts.length)),
    interruptions: sum(deliveries.map(({ delivery }) => delivery.interruptions)),
    'leases cut off': ledger.cut.size,
    'most interruptions of one': Math.max(...deliveries.map(({ delivery }) => delivery.interruptions)),
    'taken more than once': sum(tried.map(({ taken }) => Math.max(0, taken - 1))),
    mails: new Set(outside.smtp.received.map(({ mail }) => mail.messageId)).size,
    'copies of mails': outside.smtp.received.length,
  }
}
