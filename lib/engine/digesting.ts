// What the rule of digests makes of a mail that is due, and which of those that wait become one. How an engine
// finds out how somebody stands is its own matter.
import type { DigestRule } from '../digest.ts'

/** What becomes of a due mail that was never claimed: it goes out, waits, or is gathered into a digest. */
export type Step = { to: 'send' } | { to: 'park'; until: number } | { to: 'gather' }

/** How somebody stands who gets mails; neither number needs to be counted beyond what the rule names. */
export type Standing = {
  /** Mails that were claimed and ended in the last hour, or have not ended. */
  sent: number
  /** When the last one was claimed first, milliseconds since the Unix epoch; -Infinity: none was. */
  lastAt: number
  /** Mails that were never claimed, whether they are due or not. */
  waiting: number
}

export const stepOf = ({ sent, lastAt, waiting }: Standing, rule: DigestRule, now: number): Step => {
  if (sent < rule.mailsPerHour) return { to: 'send' }
  const until = lastAt + rule.waitMs
  return waiting >= rule.mostMessages || until <= now ? { to: 'gather' } : { to: 'park', until }
}

/** Those of the oldest that one digest takes, in order: as many as the rule lets, and the first, however large. */
export const membersOf = <Waiting extends { bytes: number }>(
  oldest: readonly Waiting[],
  { mostMessages, mostBytes }: DigestRule,
): Waiting[] => {
  const members: Waiting[] = []
  let bytes = 0
  for (const one of oldest.slice(0, mostMessages)) {
    bytes += one.bytes
    if (members.length > 0 && bytes > mostBytes) break
    members.push(one)
  }
  return members
}
