// What a letter says about one delivery, in words, before it becomes text or HTML. Pure.
import type { Attempt, Delivery, Endpoint, Outcome, OutcomeCode, Policy, Reason } from '../delivery.ts'
import type { Story } from '../engine.ts'
import type { Address, EventType, SmsEvent } from '../event.ts'
import { type Enclosed, type FetchFault, mostAttachedBytes } from './attachment.ts'
import type { LetterForm } from './forms.ts'
import { legible, oneLine } from './legible.ts'
import type { Moments } from './moments.ts'

export type WordingContext = {
  /** IANA time zone in which times are told; the host's by default. */
  zone?: string | undefined
  /** True when the message rests in a store, from which it can be replayed. */
  stored: boolean
  /** What counts as delivered at an endpoint. */
  successAt(endpoint: Endpoint): Policy['success']
  /** Default: `whole`. */
  form?: LetterForm
}

export type Fact = { label: string; value: string }
export type TryRow = { n: number; at: string; outcome: string; took: string }

export type Section = {
  /** For the shop owner: what happened, in a sentence. */
  lead: string
  /** What a status is about; null for a message. */
  news: string | null
  /** The message itself, whole; null when there is none to show. */
  message: string | null
  /** Why there is no message to show, or what goes with it. */
  remarks: string[]
  facts: Fact[]
  /** E.164, for a link that calls; null when it cannot be called. */
  callable: string | null
  developer: string[]
  tries: TryRow[]
}

/** What stands before the messages of a digest. */
export type Opening = {
  lead: string
  /** A line for each message. Empty where they are few enough to see. */
  contents: string[]
}

/** What a mail says. */
export type Content = {
  /** Before the messages, where they are several. */
  opening: Opening | null
  sections: readonly Section[]
  /** What replying to the mail does. */
  note: string
}

const longestName = 60

/** How somebody is called in the letter. */
export const nameOf = (address: Address | null, limit = longestName): string =>
  (address && oneLine(address.e164 ?? address.raw, limit)) || 'unknown'

const statusTypes: readonly EventType[] = [
  'message.sent',
  'message.delivered',
  'message.failed',
  'message.expired',
  'link.clicked',
]

/** The other side: who texted us, or whom a status is about. */
export const counterpart = (event: SmsEvent): Address | null =>
  statusTypes.includes(event.type) ? event.to : event.from

/** What happened, short enough for a subject. */
export const headline = (event: SmsEvent, limit: number): string => {
  const from = nameOf(event.from, limit)
  const to = nameOf(event.to, limit)
  const headlines: Record<EventType, string> = {
    'message.received': `SMS from ${from} to ${to}`,
    'message.sent': `SMS to ${to} was sent`,
    'message.delivered': `SMS to ${to} was delivered`,
    'message.failed': `SMS to ${to} failed`,
    'message.expired': `SMS to ${to} expired`,
    'link.clicked': `Link in an SMS to ${to} was opened`,
    'call.missed': `Missed call from ${from} to ${to}`,
    'device.online': `Phone ${from} is online`,
    'device.offline': `Phone ${from} is offline`,
    'device.ping': `Phone ${from} reports`,
    unknown: `Unknown event from ${oneLine(event.gateway, limit) || 'a gateway'}`,
  }
  return headlines[event.type]
}

const leadOf = ({ event, delivery }: Story): string => {
  const received = event.type === 'message.received'
  const here = received ? 'here is the text.' : 'here is what it missed.'
  const system = delivery.endpoint.kind === 'handler' ? 'could not take it' : 'could not be reached'
  const plain = received ? 'A new text message.' : 'A new report.'
  const leads: Record<Reason, string> = {
    spent: `Your system ${system}, so ${here}`,
    gone: `Your system says that it takes no more messages, so ${here}`,
    deadline: `Your system did not take it in time, so ${here}`,
    interrupted: `The program that receives your texts stopped ${delivery.interruptions} times while it handled this one, so ${here}`,
    unwanted: received ? 'No system of yours asks for this message, so here is the text.' : plain,
    direct: plain,
    orphaned: `The part of your system that took these messages is no longer there, so ${here}`,
    'no-fallback': plain,
    'mail-failed': plain,
  }
  return leads[delivery.reason ?? 'direct']
}

const failures: Record<OutcomeCode, string> = {
  timeout: 'no answer in time',
  refused: 'connection refused',
  reset: 'connection lost',
  dns: 'name not found',
  tls: 'no secure connection',
  certificate: 'certificate not accepted',
  blocked: 'address not allowed',
  network: 'network failure',
  protocol: 'answer not understood',
  threw: 'threw an error',
}

const sizeWords = (bytes: number): string =>
  bytes < 100_000 ? `${bytes} bytes` : `${Number((bytes / 1024 / 1024).toFixed(1))} MB`

const faultWords = (fault: FetchFault): string => {
  if (typeof fault === 'number') return `answered ${fault}`
  if (fault === 'too-large') return 'too large for an email'
  return fault === 'empty' ? 'the file is empty' : failures[fault]
}

const linkWords = ({ url, fault }: Enclosed['links'][number]): string => {
  const why = fault === null ? '' : ` and could not be attached (${faultWords(fault)})`
  return `A file came with it${why}, to be found at ${oneLine(url, 500)}`
}

const notAttached: Record<LetterForm, string> = {
  whole: `an email holds at most ${sizeWords(mostAttachedBytes)} of files`,
  fileless: 'the mail server refused this email with its files',
  plain: 'this email could not be sent otherwise',
}

/** What is said of the files that came with a message. */
const fileRemarks = (
  { attachments, leftOut, unreadable, links }: Enclosed,
  { stored, form = 'whole' }: Pick<WordingContext, 'stored' | 'form'>,
): string[] => {
  const attached = attachments.map(({ filename }) => filename).join(', ')
  const left = leftOut.map(({ name, bytes }) => `${name} (${sizeWords(bytes)})`).join(', ')
  return [
    ...(attached === '' ? [] : [`Attached: ${attached}`]),
    ...(left === ''
      ? []
      : [
          `Not attached, since ${notAttached[form]}: ${left}`,
          ...(stored ? ['What is not attached is kept in the store, with the message.'] : []),
        ]),
    ...unreadable.map((name) => `A file that could not be read came with it: ${name}`),
    ...links.map(linkWords),
  ]
}

const remarksOf = (event: SmsEvent): string[] => {
  const received = event.type === 'message.received'
  return [
    ...(event.encrypted ? ['The text is encrypted, and there was no key that reads it.'] : []),
    ...(received && !event.encrypted && !event.text ? ['The message has no text.'] : []),
    ...(event.intent === 'stop' ? ['The sender asks to get no more texts.'] : []),
  ]
}

const isCallable = (address: Address | null): boolean => /^\+[1-9]\d{6,14}$/.test(address?.e164 ?? '')

const factsOf = ({ event, delivery }: Story, moments: Moments): Fact[] => {
  const received = Date.parse(event.receivedAt) || delivery.createdAt
  const occurred = Date.parse(event.occurredAt ?? '') || received
  // A gateway's clock, or its queue: told only where it differs.
  const apart = Math.abs(received - occurred) >= 60_000
  return [
    { label: 'From', value: nameOf(event.from) },
    { label: 'To', value: nameOf(event.to) },
    ...(apart ? [{ label: 'Sent', value: moments.full(occurred) }] : []),
    { label: 'Received', value: moments.full(received) },
  ]
}

const outcomeWords = (outcome: Outcome): string => {
  if (outcome.type === 'answer') return `answered ${outcome.status}`
  if (outcome.type === 'done') return 'took it'
  const message = oneLine(outcome.message, 100)
  return message === '' ? failures[outcome.code] : `${failures[outcome.code]} (${message})`
}

/** An endpoint's URL without credentials, query and fragment, which may hold secrets. */
const bareUrl = (url: string): string => {
  if (!URL.canParse(url)) return 'an unreadable URL'
  const { protocol, host, pathname } = new URL(url)
  return oneLine(`${protocol}//${host}${pathname}`, 200)
}

const endpointName = ({ kind, id, url }: Endpoint): string =>
  kind === 'webhook' && url !== null ? bareUrl(url) : `the ${kind} "${oneLine(id, longestName)}"`

const span = (attempts: readonly Attempt[], moments: Moments): string => {
  const first = attempts[0]!.startedAt
  const last = attempts.at(-1)!.startedAt
  if (attempts.length === 1) return `in 1 try at ${moments.brief(first)}`
  const [start, end] = moments.sameDay(first, last)
    ? [moments.brief(first), moments.brief(last)]
    : [moments.dated(first), moments.dated(last)]
  return `in ${attempts.length} tries between ${start} and ${end}`
}

const failureWords = (
  endpoint: Endpoint,
  attempts: readonly Attempt[],
  moments: Moments,
  success: Policy['success'],
): string => {
  const name = endpointName(endpoint)
  const last = attempts.at(-1)
  if (!last) return `${name} was not tried.`
  const wanted = success === '<400' ? 'below 400' : success
  const fault = endpoint.kind === 'webhook' ? `did not answer ${wanted}` : 'did not take it'
  const { outcome } = last
  const end =
    outcome.type === 'answer' ? `last answer ${outcome.status}` : `the last: ${outcomeWords(outcome)}`
  return `${name} ${fault} ${span(attempts, moments)}, ${end}.`
}

const reasonWords = (delivery: Delivery): string[] => {
  const name = endpointName(delivery.endpoint)
  const words: Partial<Record<Reason, string>> = {
    gone: 'That answer ends the tries.',
    deadline: 'The time set for the email had come.',
    interrupted: `The process died ${delivery.interruptions} times while it handed this to ${name}; find out why before replaying it.`,
    unwanted: 'No endpoint is configured for such a message.',
    direct: `It is owed to ${name}.`,
    orphaned: `${name} is no longer in the configuration.`,
  }
  const line = delivery.reason === null ? undefined : words[delivery.reason]
  return line === undefined ? [] : [line]
}

// A policy may ask for a hundred tries; the latest tell enough.
const mostTries = 20

/** Everything a letter says about one delivery; `enclosed` are the files of its message. */
export const sectionOf = (
  story: Story,
  context: WordingContext,
  moments: Moments,
  enclosed?: Enclosed,
): Section => {
  const { event, delivery } = story
  // The history of earlier rounds is kept, but this letter is about the last one.
  const attempts = delivery.tries === 0 ? [] : story.attempts.slice(-delivery.tries)
  const told = attempts.length > 0 || delivery.reason === 'spent'
  const other = counterpart(event)
  return {
    lead: leadOf(story),
    news:
      event.type === 'message.received'
        ? null
        : `${headline(event, longestName)}${event.reason === null ? '.' : `: ${oneLine(event.reason, 300)}`}`,
    message: event.encrypted || !event.text ? null : legible(event.text),
    remarks: [...remarksOf(event), ...(enclosed ? fileRemarks(enclosed, context) : [])],
    facts: factsOf(story, moments),
    callable: isCallable(other) ? other!.e164 : null,
    developer: [
      ...(told
        ? [failureWords(delivery.endpoint, attempts, moments, context.successAt(delivery.endpoint))]
        : []),
      ...reasonWords(delivery),
      `Gateway ${oneLine(event.gateway, longestName)}, its id ${oneLine(event.identity, 200)}.`,
      ...(event.notes.length > 0
        ? [`Repaired or guessed while reading: ${oneLine(event.notes.join(', '), 200)}.`]
        : []),
      ...(context.stored ? [`Stored as event ${event.id}; can be replayed as delivery ${delivery.id}.`] : []),
    ],
    tries: attempts.slice(-mostTries).map(({ n, startedAt, tookMs, outcome }) => ({
      n,
      at: moments.exact(startedAt),
      outcome: outcomeWords(outcome),
      took: `${Math.round(tookMs)} ms`,
    })),
  }
}
