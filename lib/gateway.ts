// The contract of a gateway, both ways: what it sends to us (Gateway) and what it would send (Format).
// Its keepers live in gateways/. Nobody but gateways/index.ts knows a gateway by name.
import type { Policy } from './delivery.ts'
import type { EventDraft, EventType, SmsEvent } from './event.ts'

/** The fields of a form, and what had to be repaired or guessed to read them. */
export type Form = {
  /** By name; of several with one name the first. */
  fields: Readonly<Record<string, string>>
  /** As in an event: `plus`, `charset:windows-1252`, ... */
  notes: readonly string[]
}

/** A request as a gateway sees it. Everything in it but the time is the sender's. */
export type GatewayRequest = {
  method: string
  /** When it came, in milliseconds since the Unix epoch. */
  receivedAt: number
  /** Names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>
  query: URLSearchParams
  /** The query as it came, with its `?`, for what is signed over the URL; empty when there is none. */
  search: string
  /** The body as it came; null when an earlier parser ate it. */
  bytes: Buffer | null
  /** The body as a form. Throws a PayloadError. */
  form(): Form
  /** The body as JSON. Throws a PayloadError. */
  json(): unknown
}

export type Gateway = {
  /** What it is called in the table of gateways/index.ts. */
  kind: string
  methods: readonly string[]
  /** The largest body it may post, in bytes. */
  maxBytes: number
  /** True when `verify` or `parse` need the bytes as they came. */
  needsBytes: boolean
  /** What a sender repeats to prove itself; any one of them. Cut from all that is kept. */
  tokens: readonly string[]
  /** A header that may carry the token, in lower case. */
  tokenHeader: string | null
  /** Throws a VerificationError, or a PayloadError when it cannot even be read. */
  verify(request: GatewayRequest): void | Promise<void>
  /** Throws a PayloadError. */
  parse(request: GatewayRequest): readonly EventDraft[]
}

export type ComposeContext = {
  /** The endpoint's URL, without credentials. */
  url: string
  /** The account or device that the post names where the event does not say. */
  serviceId: string | null
  /** Several while one replaces another; a format with room for one signature signs with the first. */
  secrets: readonly string[]
  /** Where the email goes when the tries are spent. */
  fallbackTo: string | null
  /** Milliseconds since the Unix epoch, fresh for each try. */
  now: number
}

export type OutboundRequest = {
  method: 'POST'
  headers: Record<string, string>
  body: string
}

/** What of an event a format can bring across. */
export type CarriedField = Exclude<keyof EventDraft, 'type' | 'notes' | 'raw'>

/** How an event is posted to an endpoint. */
export type Format = {
  /** What endpoints call it. */
  name: string
  /**
   * The kinds it can express, and which fields of each a reader of the format gets as the event has them: of such
   * events as its own gateway reports, and where they say something.
   */
  carries: Readonly<Partial<Record<EventType, readonly CarriedField[]>>>
  /** How its own service would try. */
  policy: Policy
  /** What is wrong with an endpoint's secrets for this format, in words; null when they will do. */
  secretsFault(secrets: readonly string[]): string | null
  /** The request of one try. Throws, or rejects, when it cannot express the event, which is a failed try. */
  compose(event: SmsEvent, context: ComposeContext): OutboundRequest | Promise<OutboundRequest>
}
