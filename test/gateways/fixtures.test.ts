// What each gateway sends, from the bytes on the wire to the events, through the real router. Each fixture in
// test/fixtures/<gateway>/ is one request and what must become of it.
import { createServer } from 'node:http'
import { type EventType, eventSchema } from '../../lib/event.ts'
import { gateways } from '../../lib/gateways/index.ts'
import { fixturesOf, post, receivingFor } from '../support/fixture.ts'

/** The folder of a gateway, and the kinds of event that it can report. */
const reported: Record<keyof typeof gateways, readonly EventType[]> = {
  urlNetworks: ['message.received'],
  smsGate: [
    'message.received',
    'message.sent',
    'message.delivered',
    'message.failed',
    'device.online',
    'device.ping',
    'unknown',
  ],
  gatewayApi: [
    'message.received',
    'message.sent',
    'message.delivered',
    'message.failed',
    'message.expired',
    'unknown',
  ],
  httpSms: [
    'message.received',
    'message.sent',
    'message.delivered',
    'message.failed',
    'message.expired',
    'call.missed',
    'device.offline',
    'device.online',
    'unknown',
  ],
  smsPortal: [
    'message.received',
    'message.sent',
    'message.delivered',
    'message.failed',
    'message.expired',
    'link.clicked',
    'unknown',
  ],
}

describe.each(Object.keys(gateways) as (keyof typeof gateways)[])('%s', (kind) => {
  const fixtures = fixturesOf(kind)

  test.each(fixtures)('%s', async (_name, fixture) => {
    const { status = 200, expected = [], rejected } = fixture
    const received = receivingFor(gateways[kind], fixture)
    const server = createServer((request, response) =>
      received.router(request, response, () => response.end()),
    )
    try {
      const answer = await post(server, fixture.request)
      expect(answer).toEqual({ status, body: status === 200 ? '' : expect.any(String) })
    } finally {
      server.close()
    }
    const wanted = [expected].flat()
    expect(received.events.map((event) => eventSchema.parse(event))).toMatchObject(wanted)
    expect(received.rejections).toMatchObject(rejected ? [rejected] : [])
    expect(received.unreadable).toHaveLength(status === 400 ? 1 : 0)
  })

  test('there is a fixture of every kind of event, and of every kind of trouble', () => {
    const types = new Set(
      fixtures.flatMap(([, { expected = [] }]) => [expected].flat().map(({ type }) => type)),
    )
    for (const type of reported[kind]) expect(types).toContain(type)
    const names = fixtures.map(([name]) => name).join(' ')
    // Who does not sign has no time at which a signature was made.
    const stale = kind === 'urlNetworks' ? [] : ['stale']
    for (const trouble of [
      'forged',
      'malformed',
      'emoji-and-apostrophe',
      'nulls-absent',
      'nulls-present',
      ...stale,
    ])
      expect(names).toMatch(new RegExp(`\\b${trouble}\\b`))
  })
})
