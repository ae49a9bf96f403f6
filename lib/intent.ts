// What a whole-message opt-out word asks for. It is recorded only; the library never sends an SMS.
import type { Intent } from './event.ts'

const words = new Map<string, Intent>([
  ['stop', 'stop'],
  ['stopall', 'stop'],
  ['stop all', 'stop'],
  ['unsubscribe', 'stop'],
  ['cancel', 'stop'],
  ['end', 'stop'],
  ['quit', 'stop'],
  ['revoke', 'stop'],
  ['opt out', 'stop'],
  ['optout', 'stop'],
  ['start', 'start'],
  ['unstop', 'start'],
  ['subscribe', 'start'],
  ['help', 'help'],
  ['info', 'help'],
])

// Twice the longest word, for punctuation and spaces; spares folding most texts.
const longestText = 24

/**
 * The intent of a text that is nothing but such a word, case and punctuation aside; null for all others:
 * "stop 12345" is a message, not a request to stop.
 */
export const intentOf = (text: string | null): Intent | null => {
  if (text === null || text.length > longestText) return null
  const folded = text
    .normalize('NFKC')
    .toLowerCase()
    // Apostrophes and hyphens separate words, invisible characters (direction marks, NUL) do not.
    .replace(/[\p{Cf}\p{Cc}]/gu, (control) => (/\s/.test(control) ? ' ' : ''))
    .replace(/[\p{P}\s]+/gu, ' ')
    .trim()
  return words.get(folded) ?? null
}
