// The contract of an engine: where events, deliveries and mails rest and are claimed.
// Its keepers live in engines/. Every promise below is a test in test/engines/conformance.ts.
import type { Clock } from './clock.ts'
import type {
  Attempt,
  Delivery,
  DeliveryState,
  Endpoint,
  Mail,
  MailNext,
  MailOutcome,
  MailState,
  Next,
} from './delivery.ts'
import type { DigestRule } from './digest.ts'
import type { SmsEvent } from './event.ts'
import type { Logger } from './logger.ts'

/** The right to work on a claimed delivery or mail. `token` makes a late writer harmless. */
export type Lease = { id: string; token: string }

/** A connection of the host's with a transaction open, such as a client of the `pg` package. */
export type HostClient = {
  // biome-ignore lint/suspicious/noExplicitAny: rows are what the statement selects
  query(text: string, values?: unknown[]): Promise<{ rows: any[] }>
}

export type Acceptance = {
  event: SmsEvent
  /** Who is owed the event. */
  endpoints: readonly Endpoint[]
  /**
   * An event that is stored already takes the endpoints that it is not owed to yet, and is `stored` where it
   * took one, unless its text was pruned. Without it a repeat changes nothing.
   */
  join?: boolean
}
/** `repeat`: the event came before, and nothing was stored. */
export type Accepted = 'stored' | 'repeat'

/** How many more deliveries each endpoint may have in work; `default` for those not named. */
export type Room = { default: number; of: Readonly<Record<string, number>> }

export type Claim = { lease: Lease; delivery: Delivery; event: SmsEvent }

/** One delivery with everything a letter tells about it. */
export type Story = { event: SmsEvent; delivery: Delivery; attempts: Attempt[] }

export type MailClaim = { lease: Lease; mail: Mail; stories: Story[] }

/** Which deliveries to list; what is left out is any. */
export type Filter = {
  state?: DeliveryState | undefined
  endpoint?: string | undefined
  gateway?: string | undefined
}
/** Some deliveries; a cursor leads on to the next, null is the end. */
export type Page = { items: { event: SmsEvent; delivery: Delivery }[]; cursor: string | null }

/** One event with all that became of it. */
export type Found = {
  event: SmsEvent
  deliveries: { delivery: Delivery; attempts: Attempt[]; mail: Mail | null }[]
}

/** How much is stored, and how it stands. */
export type Counts = {
  events: number
  deliveries: Record<DeliveryState, number>
  mails: Record<MailState, number>
  quarantined: number
}

export type QuarantinedRequest = {
  gateway: string
  method: string
  contentType: string
  /** The bytes as they came, tokens cut by the caller; bounded by the gateway's body limit. */
  body: Uint8Array
  receivedAt: string
}

/** How long a repeat is known at least, milliseconds. */
export const repeatMs = 7 * 24 * 60 * 60 * 1000

/** What is stored before these instants (milliseconds since the Unix epoch) and owed no more is pruned. */
export type Pruning = {
  /** Texts, `raw`, names of files, and what servers said in answers and errors. */
  textBefore?: number | undefined
  /** The content and the URLs of files, and `raw`, which holds them too. */
  mediaBefore?: number | undefined
  /** Whole events, with all that hangs on them. */
  eventsBefore?: number | undefined
  /** How much one call may look at, so that others need not wait long. */
  limit: number
  cursor?: string | undefined
}
/** How many events, requests and hashes that were; a cursor leads on to the rest, null is the end. */
export type Pruned = { pruned: number; cursor: string | null }

export type EngineContext = { clock: Clock; logger: Logger }

/** All methods but `onDue` reject with an EngineError when the store is not available. */
export type Engine = {
  /** Where it is, for the log: a file name, or a server without its password. */
  readonly location: string
  /** May be called again after it rejected. */
  open(context: EngineContext): Promise<void>
  close(): Promise<void>

  /**
   * Atomic over the whole array, and durable when it resolves. One answer for each item, in order. With `client` it is
   * part of the transaction that is open there, and stored when that commits; an engine whose store is not the host's
   * rejects with an OptionsError.
   */
  accept(items: readonly Acceptance[], options?: { client?: HostClient | undefined }): Promise<Accepted[]>

  /**
   * Leases due deliveries, at most `limit` and at most the room of each endpoint; first tries before
   * retries, then the longest due; but retries that one claim passed over come first in the next, or an
   * endpoint that is slow and busy would never come to its emails. A lease that ran out counts as an
   * interruption when it is claimed again, unless it was only held between two tries.
   *
   * `handlers` names the handler endpoints that can be called here; where others deliver too, what is owed to another
   * handler is left to those who have it, as long as there are any. Left out, nothing is.
   */
  claim(wish: {
    limit: number
    leaseMs: number
    room: Room
    handlers?: readonly string[] | undefined
  }): Promise<Claim[]>
  /** Records the attempt (null: there was none) and what follows, at once or not at all. */
  settle(lease: Lease, attempt: Attempt | null, next: Next): Promise<'settled' | 'lost'>
  /**
   * Extends leases of deliveries and mails; one answer for each, in order. A delivery that was held and is due
   * counts as being tried from then on.
   */
  renew(leases: readonly Lease[], leaseMs: number): Promise<('renewed' | 'lost')[]>
  /** Gives deliveries and mails back unharmed: due as they were, no interruption counted. */
  release(leases: readonly Lease[]): Promise<void>

  /**
   * Leases due mails with their stories, the longest due first. Of mails that were interrupted at least
   * `suspectFrom` times, one at most is in work at once, the least interrupted first. A lease that ran out counts
   * as an interruption when the mail is claimed again.
   *
   * With `digests`, mails to the same recipients (in the same order) beyond the rule's number are gathered: those
   * that were never claimed become one mail with `digestMessageId`, durably before it is handed out. What has been
   * claimed once keeps its members until it is taken apart. Counted are the mails of the last hour and those still on
   * their way.
   */
  claimMails(wish: { limit: number; leaseMs: number; digests?: DigestRule | null }): Promise<MailClaim[]>
  /**
   * `sent` makes the mail's deliveries `emailed`, `failed` makes them `failed` with `mail-failed`. `apart` removes the
   * mail for two with `halfMessageId`, durably and at once: the first half of its deliveries and the others, due now,
   * never tried, as old as it was, and never gathered. Where erasing left it one, one takes its place.
   */
  settleMail(lease: Lease, outcome: MailOutcome, next: MailNext): Promise<'settled' | 'lost'>

  /** Calls `listener` whenever something may have become due; returns what stops it. */
  onDue(listener: () => void): () => void

  /** By the id of an event or of a delivery. */
  find(id: string): Promise<Found | null>
  /** Deliveries, the newest first. */
  list(filter: Filter, page: { limit: number; cursor?: string | undefined }): Promise<Page>
  counts(): Promise<Counts>

  /**
   * Starts a new round of an ended delivery: due now, no tries spent, its history kept. Not of one whose text
   * was pruned. How many it did.
   */
  replay(deliveryIds: readonly string[]): Promise<number>
  /** Ends pending deliveries without an email. How many it did. */
  cancel(deliveryIds: readonly string[]): Promise<number>

  /** Keeps a request that could not be parsed: once by its hash, at most 1,000 and 16 MB, oldest dropped. */
  quarantine(request: QuarantinedRequest, reason: string): Promise<void>

  /**
   * Prunes a slice of what is old. An event that is still owed to somebody keeps everything, and what is left of
   * one says so in its notes (`pruned:text`, `pruned:media`). Requests in quarantine go with texts and events. A
   * repeat of an event that is gone is known as one until the event is `repeatMs` old, or longer.
   */
  prune(wish: Pruning): Promise<Pruned>
  /**
   * Removes every event from or to one of these addresses, as `addressKey` compares them, with its deliveries,
   * owed ones too, and the requests in quarantine that may hold one; nothing that can be read stays on disk. Only
   * a keyed hash tells a repeat, which is not stored again, as long as the event would have been kept. How many
   * events it did. Called again after it rejected, it does the rest.
   */
  erase(numbers: readonly string[]): Promise<number>
}
