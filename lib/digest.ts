// When mails to the same recipients are too many for one hour: the rule by which engines gather those that wait
// into digests, and the Message-IDs that digests and their halves have.
import { createHash } from 'node:crypto'

export type DigestRule = {
  /** Mails to the same recipients in an hour before those that follow are gathered. */
  mailsPerHour: number
  /** Beyond them nothing goes out until this long (milliseconds) after the last mail, but for full digests. */
  waitMs: number
  /** A digest with so many messages is full, and does not wait. */
  mostMessages: number
  /** Bytes of the events in one digest; a message that is larger by itself goes alone. */
  mostBytes: number
}

export const hourMs = 60 * 60_000

/**
 * The Message-ID, with angle brackets, of the digest that takes the place of mails with these: the same for the
 * same mails in the same order.
 */
export const digestMessageId = (messageIds: readonly string[]): string =>
  derivedId(messageIds[0]!, ['digest', ...messageIds])

/** The Message-ID, with angle brackets, of the first or the second half of the mail with this one. */
export const halfMessageId = (messageId: string, half: 'first' | 'second'): string =>
  derivedId(messageId, [half, messageId])

const derivedId = (messageId: string, parts: readonly string[]): string => {
  const hash = createHash('sha256').update(JSON.stringify(parts))
  const domain = messageId.slice(messageId.lastIndexOf('@') + 1, -1)
  return `<${hash.digest('hex').slice(0, 32)}@${domain}>`
}
