// Every error the library throws, by who must act, with its code and what to do about it.
// A message says what happened with the value seen (never a secret), what it means and what to do.
import type { Attempt } from './delivery.ts'

/** code → who must act and what it means. The README's table of errors is compared with this one. */
export const errorCodes = {
  'options-invalid': [
    'developer',
    'An option is missing, misspelt or of the wrong kind; the message names it.',
  ],
  'node-unsupported': ['developer', 'The Node.js that runs this is older than 22.19.'],
  'token-missing': ['sender', 'The request carries no token, and the gateway has one configured.'],
  'token-mismatch': ['sender', 'The request carries a token that is not one of those configured.'],
  'signature-missing': [
    'sender',
    'The request carries no signature, and the gateway has a secret configured.',
  ],
  'signature-malformed': ['sender', 'What the request carries as its signature is none.'],
  'signature-stale': ['sender', 'The signature is too old, expired, or from the future; check both clocks.'],
  'signature-mismatch': ['sender', 'The signature is not that of this request under any configured secret.'],
  'service-mismatch': ['sender', 'The post names another `service_id` than the one configured.'],
  'number-mismatch': ['sender', 'The post names another `sms_number` than the one configured.'],
  'body-too-large': ['sender', 'The body is larger than the gateway allows.'],
  'body-encoding': ['sender', 'The body is compressed, and not by gzip, deflate or br, or not as it says.'],
  'body-unreadable': ['sender', 'The body is not what the gateway sends; it is kept in quarantine.'],
  'body-aborted': ['sender', 'The sender went away before the body had come.'],
  'body-timeout': ['sender', 'The body came too slowly: it has 15 seconds, and one more for each 64 kB.'],
  'body-consumed': ['developer', 'A body parser in front of smshook ate the bytes; mount smshook before it.'],
  'gateway-failed': [
    'developer',
    'A function of the gateway threw, such as one that is asked for a secret; the sender is told to try again.',
  ],
  'engine-not-ready': ['operator', 'The store is not open yet, or cannot be opened; the log says why.'],
  'engine-closed': ['operator', 'The store was closed.'],
  'engine-overloaded': ['operator', 'More is waiting to be stored than memory should hold.'],
  'engine-full': ['operator', 'The disk is full; tries and emails are still recorded.'],
  'engine-busy': ['operator', 'Another process held the database file for too long.'],
  'engine-newer': ['operator', 'The database was written by a newer smshook; install that version or later.'],
  'engine-foreign': ['operator', 'The database file belongs to another application.'],
  'engine-damaged': [
    'operator',
    'The database file is damaged, or was there and is gone; the message says how to restore it.',
  ],
  'engine-unreachable': [
    'operator',
    'The database server cannot be reached, or went away; it is tried again until it is back.',
  ],
  'engine-failed': ['operator', 'The store failed; the cause says how.'],
  'registration-login': ['operator', 'The service refused the login or the key that registers webhooks.'],
  'registration-invalid': ['developer', 'The service refused the webhook; the message holds its own words.'],
  'registration-limit': ['operator', 'The account may have no more webhooks; remove one, or ask for more.'],
  'registration-unknown': ['developer', 'The service has no webhook with this id.'],
  'registration-unavailable': ['operator', 'The service cannot be reached or failed; try again later.'],
  'registration-unreadable': ['developer', 'The answer is not one of the service; is `baseUrl` right?'],
  'delivery-failed': ['endpoint', 'One try did not succeed; its outcome says why.'],
} as const satisfies Record<string, readonly ['developer' | 'sender' | 'operator' | 'endpoint', string]>

/** What `code` says in every error of this library; `errorCodes` tells who must act. */
export type ErrorCode = keyof typeof errorCodes

type RegistrationCode = Extract<ErrorCode, `registration-${string}`>

type Details = { cause?: unknown }

class SmshookError<Code extends ErrorCode> extends Error {
  readonly code: Code
  constructor(code: Code, message: string, details: Details = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.name = new.target.name
    this.code = code
  }
}

/** The developer must act: thrown at construction, or at the first request that shows a wrong set-up. */
export class OptionsError extends SmshookError<'options-invalid' | 'body-consumed'> {}

/** The sender must act: the request did not prove where it came from. */
export class VerificationError extends SmshookError<
  Extract<ErrorCode, `${'token' | 'signature' | 'service' | 'number'}-${string}`>
> {}

/** The sender must act: the request cannot be read. */
export class PayloadError extends SmshookError<
  'body-too-large' | 'body-encoding' | 'body-unreadable' | 'body-aborted' | 'body-timeout'
> {}

/** The operator must act: the store is not available. */
export class EngineError extends SmshookError<Extract<ErrorCode, `engine-${string}`>> {}

/** A service did not list, register or remove a webhook; the code says who must act. */
export class RegistrationError extends SmshookError<RegistrationCode> {
  /** The HTTP status of its answer; null when none came. */
  readonly status: number | null
  constructor(code: RegistrationCode, message: string, details: Details & { status: number | null }) {
    super(code, message, details)
    this.status = details.status
  }
}

/** The endpoint's owner must act: a try failed. Stored and signalled, never thrown at the host app. */
export class DeliveryError extends SmshookError<'delivery-failed'> {
  readonly attempt: Attempt
  constructor(attempt: Attempt) {
    super('delivery-failed', `try ${attempt.n} failed`)
    this.attempt = attempt
  }
}
