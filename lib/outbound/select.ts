// Which endpoints an event is owed to: by its kind, by our number and by the keyword it begins with. Pure.
import { addressKey } from '../address-key.ts'
import { type EventType, ourSide, type SmsEvent } from '../event.ts'

export type Wish = {
  /** Kinds of event; `all` for every kind. */
  events: 'all' | readonly EventType[]
  /** Our numbers; null for any. Compared as `addressKey` does, so `+61 2 9876 5432` finds `61298765432`. */
  numbers: readonly string[] | null
  /** Words that the text begins with, whatever their case; null for any text or none. */
  keywords: readonly string[] | null
}

export const defaultWish: Wish = { events: ['message.received'], numbers: null, keywords: null }

const wordsOf = (text: string): string[] => text.normalize('NFKC').toLowerCase().split(/\s+/).filter(Boolean)

/** As words are compared: a colon or an exclamation mark after the keyword is no part of it. */
const folded = (text: string): string =>
  wordsOf(text)
    .join(' ')
    .replace(/[.,:;!?]{1,9}$/, '')

/** Whether anything is left of a keyword to compare: nothing is of '!!!', and a text that begins with nothing is any. */
export const isKeyword = (text: string): boolean => folded(text) !== ''

/** What follows the keyword in a text that begins with it; null for any other text. */
const restAfter = (keyword: string, text: string): string | null => {
  const count = wordsOf(keyword).length
  const [whole = '', beginning = ''] =
    new RegExp(`^\\s*(\\S+(?:\\s+\\S+){${count - 1}})\\s*`).exec(text) ?? []
  // Folding a first word of a megabyte takes a second, and one so long is no keyword.
  if (beginning.length > 4 * keyword.length + 32) return null
  return folded(beginning) === folded(keyword) ? text.slice(whole.length) : null
}

type Match = { keyword: string; rest: string }

/** The longest of the keywords that a text begins with, and what follows it: "hello" of "Foo  hello". */
export const keywordIn = (text: string | null, keywords: readonly string[]): Match | null => {
  const matches = keywords.flatMap((keyword) => {
    const rest = restAfter(keyword, text ?? '')
    return rest === null ? [] : [{ keyword: folded(keyword), rest }]
  })
  return matches.sort((a, b) => b.keyword.length - a.keyword.length)[0] ?? null
}

const isForNumber = ({ numbers }: Wish, event: SmsEvent): boolean => {
  if (numbers === null) return true
  const ours = event[ourSide(event.type)]
  if (ours === null) return false
  const own = addressKey(ours.e164 ?? ours.raw)
  return own !== '' && numbers.some((number) => addressKey(number) === own)
}

/** Those who want the event. Of those who want it for its keyword, only the ones with the longest. */
export const wanting = <Wishing extends { wish: Wish }>(
  all: readonly Wishing[],
  event: SmsEvent,
): Wishing[] => {
  const candidates = all
    .filter(({ wish }) => wish.events === 'all' || wish.events.includes(event.type))
    .filter(({ wish }) => isForNumber(wish, event))
    .map((one) => ({ one, match: one.wish.keywords && keywordIn(event.text, one.wish.keywords) }))
  const longest = Math.max(...candidates.map(({ match }) => match?.keyword.length ?? 0))
  return candidates
    .filter(({ one, match }) => one.wish.keywords === null || match?.keyword.length === longest)
    .map(({ one }) => one)
}
