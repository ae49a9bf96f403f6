// Every format that an endpoint can name: the gateways' and the standard one.
import type { Format } from './gateway.ts'
import { formats as gatewayFormats } from './gateways/index.ts'
import { standardFormat } from './outbound/standard.ts'

export const formats: Readonly<Record<string, Format>> = {
  ...gatewayFormats,
  [standardFormat.name]: standardFormat,
}

/** What an endpoint is posted that names no format: the form of the PBX. */
export const defaultFormat = gatewayFormats.urlNetworks.name
