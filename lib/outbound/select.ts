// Which endpoints an event is owed to: by its kind and by our number. Pure.
import type { EventType, SmsEvent } from '../event.ts'

export type Wish = {
  /** Kinds of event; `all` for every kind. */
  events: 'all' | readonly EventType[]
  /**
   * Our numbers; null for any. Compared by their digits, so `+61 2 9876 5432` finds `61298765432`; names and
   * mail addresses by their letters, whatever the case.
   */
  numbers: readonly string[] | null
}

export const defaultWish: Wish = { events: ['message.received'], numbers: null }

const comparable = (number: string): string =>
  /[\p{L}@]/u.test(number) ? number.trim().toLowerCase() : number.replace(/\D/g, '').replace(/^00/, '')

/** A status event has our number in `from`, a received one in `to`. */
const ourNumber = (event: SmsEvent) => (event.type === 'message.received' ? event.to : event.from)

export const isWanted = (wish: Wish, event: SmsEvent): boolean => {
  if (wish.events !== 'all' && !wish.events.includes(event.type)) return false
  if (wish.numbers === null) return true
  const ours = ourNumber(event)
  if (ours === null) return false
  const own = comparable(ours.e164 ?? ours.raw)
  return wish.numbers.some((number) => comparable(number) === own)
}
