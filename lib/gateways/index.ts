// The one table of the built-in gateways: what they send to us, how they would post, and how they would try.
// Below it nobody knows a gateway by name.
import type { Policy } from '../delivery.ts'
import type { Format } from '../gateway.ts'
import { gatewayApi, gatewayApiFormat, gatewayApiMessagingFormat } from './gateway-api.ts'
import { httpSms, httpSmsCurrent, httpSmsFormat } from './http-sms.ts'
import { smsGate, smsGateCurrent, smsGateFormat } from './sms-gate.ts'
import { smsPortal, smsPortalFormat } from './sms-portal.ts'
import { urlNetworks, urlNetworksFormat } from './url-networks.ts'

export const gateways = { urlNetworks, smsGate, gatewayApi, httpSms, smsPortal } as const

export const formats = {
  urlNetworks: urlNetworksFormat,
  smsGate: smsGateFormat,
  gatewayApi: gatewayApiFormat,
  gatewayApiMessaging: gatewayApiMessagingFormat,
  httpSms: httpSmsFormat,
  smsPortal: smsPortalFormat,
} as const satisfies Record<string, Format>

/** What each gateway's documentation says; `...Current` is what its source does where that differs. */
export const policies = {
  urlNetworks: urlNetworksFormat.policy,
  smsGate: smsGateFormat.policy,
  smsGateCurrent,
  gatewayApi: gatewayApiFormat.policy,
  httpSms: httpSmsFormat.policy,
  httpSmsCurrent,
  smsPortal: smsPortalFormat.policy,
} as const satisfies Record<string, Policy>

export type { GatewayApiOptions } from './gateway-api.ts'
export type { HttpSmsOptions } from './http-sms.ts'
export type { SmsGateOptions } from './sms-gate.ts'
export type { SmsPortalOptions } from './sms-portal.ts'
export type { UrlNetworksOptions } from './url-networks.ts'
