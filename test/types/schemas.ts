// The public types are written by hand, for their comments; that they are what their schemas read, in both
// directions, is held by `tsc`. Nothing here runs.
import type { z } from 'zod'
import type { Policy, PolicyChanges, policySchema } from '../../lib/delivery.ts'
import type {
  Address,
  addressSchema,
  EventDraft,
  eventDraftSchema,
  eventSchema,
  Media,
  mediaSchema,
  SmsEvent,
} from '../../lib/event.ts'
import type {
  DispatchEndpoint,
  DispatchMessage,
  dispatchSchema,
  messageSchema,
} from '../../lib/outbound/dispatch.ts'
import type { DeliverTo, deliverToSchema } from '../../lib/outbound/targets.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles only for `isType<Equal<A, B>>()` of the same types. */
const isType = <_Same extends true>() => {}

export const events = () => {
  isType<Equal<Address, z.infer<typeof addressSchema>>>()
  isType<Equal<Media, z.infer<typeof mediaSchema>>>()
  isType<Equal<SmsEvent, z.infer<typeof eventSchema>>>()
  isType<Equal<EventDraft, z.infer<typeof eventDraftSchema>>>()
}

export const policies = () => {
  isType<Equal<Policy, z.infer<typeof policySchema>>>()
  isType<Equal<PolicyChanges, Partial<z.infer<typeof policySchema>>>>()
}

export const endpoints = () => {
  isType<Equal<DeliverTo, z.input<typeof deliverToSchema>>>()
  isType<Equal<DispatchEndpoint, z.input<typeof dispatchSchema>>>()
  isType<Equal<DispatchMessage, z.input<typeof messageSchema> | SmsEvent>>()
}
