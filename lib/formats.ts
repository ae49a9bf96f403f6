// Every format and every policy that an endpoint can name: the gateways' and the general ones.
import type { Policy, PolicyChanges } from './delivery.ts'
import type { Format } from './gateway.ts'
import { formats as gatewayFormats, policies as gatewayPolicies } from './gateways/index.ts'
import { standardFormat } from './outbound/standard.ts'
import type { DeliverTo as Entry } from './outbound/targets.ts'
import { policies as generalPolicies } from './policies.ts'

export const formats = { ...gatewayFormats, standard: standardFormat } as const satisfies Record<
  string,
  Format
>

/** What an endpoint is posted that names no format: the form of the PBX. */
export const defaultFormat = 'urlNetworks' satisfies keyof typeof formats

/** The schedules that have a name: the general ones, and how each gateway's own service would try. */
export const policies = { ...generalPolicies, ...gatewayPolicies } as const satisfies Record<string, Policy>

/** Who is owed events: `{ url }`, `{ handler }` or `{ email }`, and how. */
export type DeliverTo = Omit<Entry, 'format' | 'policy'> & {
  /** How the event is posted to `url`. Default: the eight form fields of the PBX. */
  format?: keyof typeof formats | undefined
  /** How it is tried: a name, or what differs from the format's own policy. A name leaves a handler its 30 s. */
  policy?: keyof typeof policies | PolicyChanges | undefined
}
