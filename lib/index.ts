// The front door: everything that is public, in reading order. No logic.
import './node-version.ts'

export { type Clock, systemClock } from './clock.ts'
export { type CopyOptions, copyToPostgres } from './copy.ts'
export { defineGateway, type GatewayDefinition, type GatewayOptions } from './define-gateway.ts'
export { type Delivered, type DeliverOptions, deliver } from './deliver.ts'
export type {
  Attempt,
  Delivery,
  Endpoint,
  Mail,
  MailOutcome,
  Outcome,
  Policy,
  PolicyChanges,
  Reason,
} from './delivery.ts'
export {
  type AcceptOptions,
  createDispatcher,
  type Dispatcher,
  type DispatcherOptions,
} from './dispatcher.ts'
export type { Draft, HomeCountry } from './draft.ts'
export type { Copied, CopyCount } from './engine/copied.ts'
export type {
  Acceptance,
  Accepted,
  Claim,
  Counts,
  Engine,
  EngineContext,
  Filter,
  Found,
  HostClient,
  Lease,
  MailClaim,
  Page,
  Pruned,
  Pruning,
  QuarantinedRequest,
  Room,
  Story,
} from './engine.ts'
export type { PostgresPool } from './engines/postgres/pool.ts'
export { type PostgresOptions, postgres } from './engines/postgres.ts'
export { sqlite } from './engines/sqlite.ts'
export {
  DeliveryError,
  EngineError,
  type ErrorCode,
  errorCodes,
  OptionsError,
  PayloadError,
  RegistrationError,
  VerificationError,
} from './errors.ts'
export type { Address, EventType, Intent, Media, SmsEvent } from './event.ts'
export type { FallbackOptions } from './fallback/fallback.ts'
export type { Letter } from './fallback/letter.ts'
export { createMailer, type Mailer, type MailerOptions } from './fallback/mailer.ts'
export { type DeliverTo, policies } from './formats.ts'
export type {
  CarriedField,
  ComposeContext,
  Form,
  Format,
  Gateway,
  GatewayRequest,
  OutboundRequest,
} from './gateway.ts'
export { type GatewayApiOptions, gatewayApi } from './gateways/gateway-api.ts'
export { type HttpSmsOptions, httpSms } from './gateways/http-sms.ts'
export { type SmsGateOptions, smsGate } from './gateways/sms-gate.ts'
export { type SmsPortalOptions, smsPortal } from './gateways/sms-portal.ts'
export { type UrlNetworksOptions, urlNetworks } from './gateways/url-networks.ts'
export {
  createRouter,
  type Rejection,
  type Router,
  type RouterOptions,
  type UnreadableRequest,
} from './inbound/router.ts'
export { consoleLogger, type Logger } from './logger.ts'
export type { DispatchEndpoint, DispatchMessage } from './outbound/dispatch.ts'
export type { Handler, HandlerContext } from './outbound/handler.ts'
export type { Recipients } from './recipients.ts'
export {
  type HttpSmsEvent,
  type HttpSmsWebhook,
  type HttpSmsWebhooks,
  type HttpSmsWebhooksOptions,
  httpSmsWebhooks,
  type NewHttpSmsWebhook,
  type WantedHttpSmsWebhook,
} from './registration/http-sms-webhooks.ts'
export type { Ensured } from './registration/remote.ts'
export {
  type NewSmsGateWebhook,
  type SmsGateEvent,
  type SmsGateWebhook,
  type SmsGateWebhooks,
  type SmsGateWebhooksOptions,
  smsGateWebhooks,
  type WantedSmsGateWebhooks,
} from './registration/sms-gate-webhooks.ts'
export type { RetentionOptions } from './retention.ts'
export type { On, Signals } from './signals.ts'
export { type JwtOptions, type MacOptions, verifyFresh, verifyJwt, verifyMac } from './signature.ts'
export { type Smshook, type SmshookOptions, smshook } from './smshook.ts'
