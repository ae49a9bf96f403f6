// There and back: every event of every fixture, posted in the formats of its own gateway and read again.
import { createServer } from 'node:http'
import type { SmsEvent } from '../../lib/event.ts'
import type { Format } from '../../lib/gateway.ts'
import { formats, gateways } from '../../lib/gateways/index.ts'
import { fixturesOf, post, receivingFor } from '../support/fixture.ts'
import { carriedBy, roundTrip, saidIn } from '../support/round-trip.ts'

const eventsOf = async (kind: keyof typeof gateways): Promise<SmsEvent[]> => {
  const events: SmsEvent[] = []
  for (const [, fixture] of fixturesOf(kind)) {
    const received = receivingFor(gateways[kind], fixture)
    const server = createServer((request, response) =>
      received.router(request, response, () => response.end()),
    )
    await post(server, fixture.request)
    server.close()
    events.push(...received.events)
  }
  return events
}

const formatsOf = (kind: string): Format[] =>
  Object.values(formats).filter(({ name }) => name.startsWith(kind))

const url = 'https://crm.example.com/sms'
const secret = 'a secret of thirty-two characters'
/** A gateway that reads what is signed with the secret. */
const reading: Record<keyof typeof gateways, () => ReturnType<(typeof gateways)[keyof typeof gateways]>> = {
  urlNetworks: () => gateways.urlNetworks({ allowUnauthenticated: true }),
  smsGate: () => gateways.smsGate({ secret }),
  gatewayApi: () => gateways.gatewayApi({ secret }),
  smsPortal: () => gateways.smsPortal({ secret, signature: { url } }),
  httpSms: () => gateways.httpSms({ secret, audience: url }),
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** What ids look like where readers rely on it; others are replaced by our own. */
const ids: Record<string, RegExp> = { urlNetworks: uuid, httpSms: uuid, gatewayApi: /^\d{1,15}$/ }

const comparable = (format: Format, event: SmsEvent) => {
  const isGiven = !event.notes.some((note) => note.startsWith('identity:'))
  const fits = (id: string | null) => isGiven && (ids[format.name] ?? /^/).test(id ?? '')
  return carriedBy(format, event).filter(
    (name) => (name !== 'identity' && name !== 'messageId') || fits(event[name]),
  )
}

/** Some formats write whole seconds. */
const toTheSecond = <Event extends { occurredAt: string | null }>(event: Event): Event => ({
  ...event,
  occurredAt: event.occurredAt?.slice(0, 19) ?? null,
})

describe.each(Object.keys(gateways) as (keyof typeof gateways)[])('%s', (kind) => {
  test.each(formatsOf(kind).map((format) => [format.name, format] as const))(
    'in the format %s',
    async (_name, format) => {
      const gateway = reading[kind]()
      const secrets = format.secretsFault([secret]) === null ? [secret] : []
      const events = (await eventsOf(kind)).filter(({ type }) => format.carries[type])
      expect(new Set(events.map(({ type }) => type))).toEqual(new Set(Object.keys(format.carries)))
      for (const event of events) {
        const drafts = await roundTrip(event, format, gateway, { secrets, url })
        const fields = comparable(format, event)
        expect(drafts.map((draft) => saidIn(fields, toTheSecond(draft)))).toEqual([
          saidIn(fields, toTheSecond(event)),
        ])
      }
    },
  )
})
