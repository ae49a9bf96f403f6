// The mail that carries a message when its tries are spent: subject, headers, text and HTML. Pure; the words
// come from wording.ts.
import { createHash } from 'node:crypto'
import type { Mail } from '../delivery.ts'
import type { Story } from '../engine.ts'
import type { SmsEvent } from '../event.ts'
import type { Attachment, Enclosed } from './attachment.ts'
import { oneLine, visibleLength } from './legible.ts'
import { htmlOf } from './letter-html.ts'
import { textOf } from './letter-text.ts'
import { headline, type Section, sectionOf, type WordingContext } from './wording.ts'

/** A mail ready to be sent; only its sender is the mailer's. */
export type Letter = {
  /** Bare addresses. */
  to: readonly string[]
  /** With angle brackets, like `inReplyTo` and `references`. */
  messageId: string
  inReplyTo: string
  references: string
  subject: string
  text: string
  html: string
  headers: Record<string, string>
  attachments: Attachment[]
  date: Date
}

export type LetterContext = WordingContext & {
  mail: Pick<Mail, 'to' | 'messageId' | 'createdAt'>
  /** The domain of the sender's address, in ASCII. */
  domain: string
  /** The files of each message, in the order of the stories. */
  enclosed: readonly Enclosed[]
  /** False leaves the words of the message out of the subject. */
  subjectWords: boolean
}

/** Visible characters of a subject: what mail programs show, and what RFC 5322 (2.1.1) asks of a line. */
const subjectLength = 78
/** Visible characters of each name in it, so that there is room for words. */
const nameLength = 24
/** Fewer words than this are none. */
const fewestWords = 8

const replyNote = 'Replying to this mail does not text the sender.'

const hash = (...parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)

/**
 * The Message-ID of the mail for one round of a delivery, with angle brackets. The same parts give the same
 * id, so that a mail sent twice is one in the recipient's mail program.
 */
export const messageIdFor = (
  of: { gateway: string; identity: string; endpointId: string; round: number },
  domain: string,
): string => `<${hash('mail', of.gateway, of.identity, of.endpointId, of.round)}@${domain}>`

/** A Message-ID that no mail has: whatever two numbers have to do with each other hangs under it. */
const threadRoot = ({ from, to }: SmsEvent, domain: string): string => {
  const pair = [from, to].map((address) => address?.e164 ?? address?.raw.trim().toLowerCase() ?? '')
  return `<${hash('thread', ...pair.sort())}@${domain}>`
}

const subjectOf = (event: SmsEvent, words: boolean): string => {
  const start = headline(event, nameLength)
  const room = subjectLength - visibleLength(start) - visibleLength(': ""')
  const said = words && !event.encrypted && room >= fewestWords ? oneLine(event.text ?? '', room) : ''
  return said === '' ? start : `${start}: "${said}"`
}

const dressed = (
  { mail, domain }: Pick<LetterContext, 'mail' | 'domain'>,
  thread: string,
  subject: string,
  sections: readonly Section[],
  note: string,
  attachments: Attachment[],
): Letter => ({
  to: mail.to,
  messageId: mail.messageId,
  inReplyTo: thread,
  references: thread,
  subject,
  text: textOf(sections, note),
  html: htmlOf(subject, sections, note),
  headers: {
    // RFC 3834: nobody's absence note should answer this.
    'Auto-Submitted': 'auto-generated',
    'X-Auto-Response-Suppress': 'OOF, AutoReply',
    'List-Id': `SMS <sms.${domain}>`,
  },
  attachments,
  // Every attempt to send is the same mail.
  date: new Date(mail.createdAt),
})

/** The mail for these deliveries; the subject and the thread are the first one's. */
export const letter = (stories: readonly Story[], context: LetterContext): Letter => {
  const first = stories[0]
  if (!first) throw new Error('a mail without a delivery has nothing to say')
  return dressed(
    context,
    threadRoot(first.event, context.domain),
    subjectOf(first.event, context.subjectWords),
    stories.map((story, index) => sectionOf(story, context, context.enclosed[index])),
    replyNote,
    context.enclosed.flatMap(({ attachments }) => attachments),
  )
}

/** A marked mail that shows whether letters arrive. */
export const testLetter = (context: Pick<LetterContext, 'mail' | 'domain'>): Letter =>
  dressed(
    context,
    `<${hash('thread', 'test')}@${context.domain}>`,
    'Test: SMS fallback mail works',
    [
      {
        lead: 'This is a test. If you can read it, texts that your system misses will reach you here.',
        news: null,
        message: null,
        remarks: [],
        facts: [{ label: 'Sent to', value: context.mail.to.join(', ') }],
        callable: null,
        developer: ['Sent by smshook on request; no message is behind it.'],
        tries: [],
      },
    ],
    'There is nothing to do.',
    [],
  )
