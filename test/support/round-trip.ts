// There and back: an event composed in a format, then verified and parsed by the gateway whose format it is.
import type { Address, EventDraft, SmsEvent } from '../../lib/event.ts'
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

const meaning = (address: Address | null): string | null => address && (address.e164 ?? address.raw)

type Field = keyof EventDraft

/** The type of an event and those fields that the format carries, as far as it says something in them. */
export const carriedBy = ({ carries }: Format, event: SmsEvent | EventDraft): Field[] => {
  const names: readonly Field[] = ['type', ...(carries[event.type] ?? [])]
  return names.filter((name) => event[name] !== null)
}

/** What an event says in these fields; of addresses, whom they mean. */
export const saidIn = (fields: readonly Field[], event: SmsEvent | EventDraft): Record<string, unknown> => {
  const meant = { ...event, from: meaning(event.from), to: meaning(event.to) }
  return Object.fromEntries(fields.map((name) => [name, meant[name]]))
}
