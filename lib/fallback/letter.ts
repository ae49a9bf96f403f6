// The mail that carries a message when its tries are spent: subject, headers, text and HTML. Pure; the words
// come from wording.ts.
import { createHash } from 'node:crypto'
import type { Mail } from '../delivery.ts'
import type { Story } from '../engine.ts'
import type { Address, SmsEvent } from '../event.ts'
import type { Attachment, Enclosed } from './attachment.ts'
import { digestSubject, manyMessages, openingOf } from './digest-wording.ts'
import { oneLine, visibleLength } from './legible.ts'
import { htmlOf } from './letter-html.ts'
import { textOf } from './letter-text.ts'
import { momentsIn } from './moments.ts'
import { type Content, headline, sectionOf, type WordingContext } from './wording.ts'

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
  /** Null in a letter that is as plain as can be. */
  html: string | null
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

const keyOf = (address: Address | null): string => address?.e164 ?? address?.raw.trim().toLowerCase() ?? ''

/** A Message-ID that no mail has: whatever two numbers have to do with each other hangs under it. */
const threadRoot = ({ from, to }: SmsEvent, domain: string): string =>
  `<${hash('thread', ...[keyOf(from), keyOf(to)].sort())}@${domain}>`

/** The digests to one number are a thread of their own. */
const digestRoot = ({ to }: SmsEvent, domain: string): string => `<${hash('digests', keyOf(to))}@${domain}>`

const subjectOf = (event: SmsEvent, words: boolean): string => {
  const start = headline(event, nameLength)
  const room = subjectLength - visibleLength(start) - visibleLength(': ""')
  const said = words && !event.encrypted && room >= fewestWords ? oneLine(event.text ?? '', room) : ''
  return said === '' ? start : `${start}: "${said}"`
}

const dressed = (
  { mail, domain, form }: Pick<LetterContext, 'mail' | 'domain' | 'form'>,
  thread: string,
  subject: string,
  content: Content,
  attachments: Attachment[],
): Letter => ({
  to: mail.to,
  messageId: mail.messageId,
  inReplyTo: thread,
  references: thread,
  subject,
  text: textOf(content),
  html: form === 'plain' ? null : htmlOf(subject, content),
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

/** The mail for these deliveries. */
export const letter = (stories: readonly Story[], context: LetterContext): Letter => {
  const first = stories[0]
  if (!first) throw new Error('a mail without a delivery has nothing to say')
  const { domain, subjectWords, enclosed } = context
  const isDigest = stories.length > 1
  const moments = momentsIn(context.zone)
  const sections = stories.map((story, index) => {
    const section = sectionOf(story, context, moments, enclosed[index])
    if (!isDigest) return section
    const lead = `${index + 1} of ${stories.length}. ${section.lead}`
    return { ...section, lead, tries: stories.length < manyMessages ? section.tries : [] }
  })
  return dressed(
    context,
    isDigest ? digestRoot(first.event, domain) : threadRoot(first.event, domain),
    isDigest ? digestSubject(stories, subjectLength, nameLength) : subjectOf(first.event, subjectWords),
    { opening: isDigest ? openingOf(stories, moments) : null, sections, note: replyNote },
    enclosed.flatMap(({ attachments }) => attachments),
  )
}

/** A marked mail that shows whether letters arrive. */
export const testLetter = (context: Pick<LetterContext, 'mail' | 'domain'>): Letter =>
  dressed(
    context,
    `<${hash('thread', 'test')}@${context.domain}>`,
    'Test: SMS fallback mail works',
    {
      opening: null,
      sections: [
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
      note: 'There is nothing to do.',
    },
    [],
  )
