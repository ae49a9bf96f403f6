// Everything that a dispatcher emits, kept in order and awaited by name.
import type { On, SignalName, Signals } from '../../lib/signals.ts'
import { until } from './until.ts'

const names = Object.keys({
  stored: 0,
  repeat: 0,
  rejected: 0,
  unrouted: 0,
  attempt: 0,
  delivered: 0,
  mailing: 0,
  mailAttempt: 0,
  emailed: 0,
  failed: 0,
  alert: 0,
} satisfies Record<SignalName, 0>) as SignalName[]

export type Watched = {
  /** All signals as they came. */
  readonly seen: readonly { name: SignalName; payload: unknown }[]
  of<Name extends SignalName>(name: Name): Signals[Name][]
  /** The nth signal of this name (the first is 1), once it has come. */
  nth<Name extends SignalName>(name: Name, n?: number): Promise<Signals[Name]>
}

export const watch = (on: On): Watched => {
  const seen: { name: SignalName; payload: unknown }[] = []
  for (const name of names) on(name, (payload) => seen.push({ name, payload }))
  const of = <Name extends SignalName>(name: Name) =>
    seen.filter((one) => one.name === name).map(({ payload }) => payload as Signals[Name])
  return {
    seen,
    of,
    nth: async (name, n = 1) => {
      await until(() => of(name).length >= n).catch(() => {
        throw new Error(`no ${n} × ${name} came, but: ${seen.map((one) => one.name).join(', ') || 'nothing'}`)
      })
      return of(name)[n - 1]!
    },
  }
}
