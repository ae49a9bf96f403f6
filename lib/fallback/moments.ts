// Instants in the words of one time zone. Pure.

export type Moments = {
  /** `Thu, 1 Jan 2026, 11:00 GMT+11 (2026-01-01 00:00 UTC)` */
  full(at: number): string
  /** `11:00` */
  brief(at: number): string
  /** `1 Jan, 11:00` */
  dated(at: number): string
  /** `11:00:05` */
  exact(at: number): string
  sameDay(one: number, other: number): boolean
}

/** `zone` is an IANA name, by default the host's. Throws a RangeError for a name that is none. */
export const momentsIn = (zone?: string): Moments => {
  const format = (options: Intl.DateTimeFormatOptions) => {
    const formatter = new Intl.DateTimeFormat('en-GB', { ...options, timeZone: zone, hourCycle: 'h23' })
    return (at: number) => formatter.format(at)
  }
  const time = { hour: '2-digit', minute: '2-digit' } as const
  const day = { day: 'numeric', month: 'short' } as const
  const date = format({ ...day, year: 'numeric' })
  const full = format({ ...day, ...time, weekday: 'short', year: 'numeric', timeZoneName: 'short' })
  return {
    full: (at) => {
      const told = full(at)
      const utc = `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
      return told.endsWith(' UTC') ? told : `${told} (${utc})`
    },
    brief: format(time),
    dated: format({ ...day, ...time }),
    exact: format({ ...time, second: '2-digit' }),
    sameDay: (one, other) => date(one) === date(other),
  }
}
