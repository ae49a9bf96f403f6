// The one table of the built-in gateways: what they send to us, how they would post, and how they would try.
// Below it nobody knows a gateway by name.
import type { Policy } from '../delivery.ts'
import type { Format } from '../gateway.ts'
import { urlNetworks, urlNetworksFormat } from './url-networks.ts'

export const gateways = { urlNetworks } as const

export const formats = { urlNetworks: urlNetworksFormat } as const satisfies Record<string, Format>

/** What each gateway's documentation says; `...Current` is what its source does where that differs. */
export const policies = { urlNetworks: urlNetworksFormat.policy } as const satisfies Record<string, Policy>

export type { UrlNetworksOptions } from './url-networks.ts'
