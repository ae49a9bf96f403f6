// There and back: an event composed in a format, then verified and parsed by the gateway whose format it is.
import type { EventDraft, SmsEvent } from '../../lib/event.ts'
import type { ComposeContext, Format, Gateway } from '../../lib/gateway.ts'
import { gatewayRequest } from '../../lib/inbound/request.ts'

export const composeContext: ComposeContext = {
  url: 'https://crm.example.com/sms',
  serviceId: null,
  secrets: [],
  fallbackTo: null,
  now: Date.UTC(2026, 0, 1),
}

/** What the gateway reads from the event as the format posts it. Rejects when it does not verify. */
export const roundTrip = async (
  event: SmsEvent,
  format: Format,
  gateway: Gateway,
  context: Partial<ComposeContext> = {},
): Promise<readonly EventDraft[]> => {
  const whole = { ...composeContext, ...context }
  const { method, headers, body } = await format.compose(event, whole)
  const incoming = { method, headers } as never
  const bytes = { bytes: Buffer.from(body), parsed: undefined }
  const request = gatewayRequest(incoming, { token: null, search: '' }, bytes, whole.now)
  await gateway.verify(request)
  return gateway.parse(request)
}

/** The fields of an event that the format says it carries, and its type. */
export const carried = (event: SmsEvent | EventDraft, { carries }: Format): Partial<EventDraft> =>
  Object.fromEntries(['type' as const, ...(carries[event.type] ?? [])].map((name) => [name, event[name]]))
