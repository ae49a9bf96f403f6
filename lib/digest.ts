// When mails to the same recipients are too many for one hour: the rule by which engines gather those that wait
// into digests, and the Message-ID that a digest has.
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
export const digestMessageId = (messageIds: readonly string[]): string => {
  const hash = createHash('sha256').update(JSON.stringify(['digest', ...messageIds]))
  const domain = messageIds[0]!.slice(messageIds[0]!.lastIndexOf('@') + 1, -1)
  return `<${hash.digest('hex').slice(0, 32)}@${domain}>`
}
