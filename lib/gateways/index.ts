// The one table of the built-in gateways: what they send to us, and how they would post.
// Below it nobody knows a gateway by name.
import type { Format } from '../gateway.ts'
import { urlNetworks, urlNetworksFormat } from './url-networks.ts'

export const gateways = { urlNetworks } as const

export const formats = { urlNetworks: urlNetworksFormat } as const satisfies Record<string, Format>

export type { UrlNetworksOptions } from './url-networks.ts'
