// Requests that no gateway sends, at every gateway, through the real router into a real store: nothing crashes, hangs
// or is answered 5xx, and whatever is stored is a whole event.
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, createServer, request as send } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { eventSchema, type SmsEvent } from '../../lib/event.ts'
import { gateways } from '../../lib/gateways/index.ts'
import { decodeForm } from '../../lib/inbound/body.ts'
import { smshook, sqlite } from '../../lib/index.ts'
import { fixturesOf } from '../support/fixture.ts'
import { listen } from '../support/http-server.ts'
import { recorder } from '../support/recorder.ts'
import { scale, seed, tell } from '../support/torture.ts'
import { type Attack, attackOn } from './mutation.ts'

const secret = 'a secret that nobody guesses'
const kinds = Object.keys(gateways) as (keyof typeof gateways)[]
const runs = 200 * scale

/** Each gateway twice: taking what comes, and wanting proof. */
const allGateways = {
  ...Object.fromEntries(kinds.map((kind) => [kind, gateways[kind]({ allowUnauthenticated: true })])),
  urlNetworksProven: gateways.urlNetworks({ token: secret }),
  smsGateProven: gateways.smsGate({ secret: async () => secret }),
  gatewayApiProven: gateways.gatewayApi({ secret }),
  smsPortalProven: gateways.smsPortal({ secret, signature: { url: 'https://app.example.com/sms' } }),
  httpSmsProven: gateways.httpSms({ secret, token: secret, tokenHeader: 'x-token' }),
}

const open = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'smshook-hostile-'))
  const logger = recorder()
  const engine = sqlite(join(folder, 'sms.db'))
  const sms = smshook({ gateways: allGateways, fallback: false, engine, logger })
  const stored: SmsEvent[] = []
  sms.on('stored', ({ event }) => {
    eventSchema.parse(event)
    if (stored.length < 1_000) stored.push(event)
  })
  await sms.ready
  const server = createServer((request, response) =>
    sms.router(request, response, (error) => response.writeHead(error ? 500 : 404).end()),
  )
  const port = await listen(server)
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  const attack = ({ method, path, headers, body }: Attack, name: string) =>
    new Promise<number>((resolve, reject) => {
      const slash = path === '' || path.startsWith('?') || path.startsWith('/') ? '' : '/'
      const options = { host: '127.0.0.1', port, agent, method, path: `/${name}${slash}${path}` }
      const outgoing = send(
        { ...options, headers: { ...headers, 'content-length': body.length } },
        (response) => {
          response.resume().on('end', () => resolve(response.statusCode!))
        },
      )
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  const close = async () => {
    agent.destroy()
    server.close()
    await sms.close()
    rmSync(folder, { recursive: true })
  }
  return { sms, attack, stored, logger, close }
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const heapMb = () => {
  collect()
  return process.memoryUsage().heapUsed / 2 ** 20
}

test(
  'requests that no gateway sends',
  async () => {
    const { sms, attack, stored, logger, close } = await open()
    const statuses: Record<string, number> = {}
    let heapAtHalf = 0
    let sent = 0
    const total = kinds.length * runs * 2
    try {
      for (const kind of kinds) {
        const attacks = fc.oneof(...fixturesOf(kind).map(([, fixture]) => attackOn(fixture)))
        const property = fc.asyncProperty(attacks, async (one) => {
          const both = await Promise.all([attack(one, kind), attack(one, `${kind}Proven`)])
          for (const status of both) {
            statuses[status] = (statuses[status] ?? 0) + 1
            expect([200, 400, 401, 404, 405, 413, 415]).toContain(status)
          }
          // Nobody knows the secret.
          expect(both[1]).not.toBe(200)
          sent += 2
          if (heapAtHalf === 0 && sent >= total / 2) heapAtHalf = heapMb()
        })
        await fc.assert(property, { numRuns: runs, seed, endOnFailure: true })
      }
      const { events } = await sms.counts()
      expect(events).toBeGreaterThan(runs / 4)
      expect(({} as Record<string, unknown>).x).toBeUndefined()
      expect(logger.lines.filter(({ level }) => level === 'error')).toEqual([])
      // What was stored can be read again, as it was told.
      for (const event of stored.slice(0, 100)) expect((await sms.find(event.id))?.event.id).toBe(event.id)
      const grownMb = heapMb() - heapAtHalf
      tell('hostile requests', { sent, stored: events, ...statuses, 'heap grown MB': grownMb.toFixed(1) })
      expect(grownMb).toBeLessThan(32)
    } finally {
      await close()
    }
  },
  60_000 + scale * 60_000,
)

test('forms that no browser sends', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '&',
      '=',
      '+',
      '%',
      '%0',
      '%zz',
      '%ff',
      '%00',
      '__proto__',
      'a[b]',
      '\u{1f339}',
      '\ufffd',
      ';',
      '&&',
    ),
    fc.string({ unit: 'binary', maxLength: 5 }),
  )
  const form = fc.oneof(
    fc.array(piece, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join(''))),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  )
  const type = fc.constantFrom(
    undefined,
    'x; charset=utf-16',
    'x; charset=shift_jis',
    'x; charset=none',
    '; charset',
  )
  let read = 0
  const property = fc.property(form, type, (bytes, contentType) => {
    const { fields, notes } = decodeForm(bytes, contentType)
    read += 1
    expect(Object.getPrototypeOf(fields)).toBeNull()
    expect(Object.keys(fields).length).toBeLessThanOrEqual(1_000)
    expect(JSON.stringify([fields, notes]).length).toBeLessThan(40 * bytes.length + 200)
  })
  fc.assert(property, { numRuns: runs * 10, seed })
  tell('hostile forms', { read })
})
