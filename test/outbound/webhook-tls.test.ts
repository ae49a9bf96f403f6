// One HTTP try over TLS: certificates good and bad, and what is no TLS at all. The certificates of
// fixtures/tls but `cert` are signed by `ca`, whose own key is gone; all have the key `key`.
import { readFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates, type TlsOptions } from 'node:tls'
import { createGuard } from '../../lib/outbound/guard.ts'
import { createWebhook, type Webhook } from '../../lib/outbound/webhook.ts'
import { manualClock } from '../support/manual-clock.ts'
import { saying, serveRaw } from '../support/raw-server.ts'
import { until } from '../support/until.ts'

const fixture = (name: string) =>
  readFileSync(join(import.meta.dirname, `../fixtures/tls/${name}.pem`), 'utf8')
const trusted = getCACertificates('default')
beforeAll(() => setDefaultCACertificates([fixture('ca')]))
afterAll(() => setDefaultCACertificates(trusted))

const clock = manualClock()
let webhook: Webhook
beforeEach(() => {
  webhook = createWebhook({ clock, guard: createGuard(['127.0.0.1']) })
})
afterEach(() => webhook.close())

const request = { method: 'POST' as const, headers: {}, body: 'a text for nobody else' }
const attempt = (port: number, host = 'localhost') =>
  webhook.attempt({ url: `https://${host}:${port}/`, guarded: false, request, timeoutMs: 5000 })

/** What it was asked shows whether a text went to a server that is not who it should be. */
const serveTls = async (cert: string, options: TlsOptions = {}) => {
  const asked: string[] = []
  const server = createTlsServer(
    { key: fixture('key'), cert: fixture(cert), ...options },
    (one, response) => {
      asked.push(one.url!)
      response.end()
    },
  )
  server.on('tlsClientError', () => {})
  return { port: await serveRaw(server), asked }
}

test.each(['localhost', '127.0.0.1'])('a good certificate for %s', async (host) => {
  const { port } = await serveTls('good')
  expect(await attempt(port, host)).toMatchObject({ type: 'answer', status: 200 })
})

test.each([
  ['expired', 'expired', /has expired/],
  ['not yet valid', 'future', /not yet valid/],
  ['of another name', 'other-name', /does not match/],
  ['that nobody vouches for', 'cert', /self-signed/],
])('a certificate %s', async (_what, cert, message) => {
  const { port, asked } = await serveTls(cert)
  const outcome = await attempt(port)
  expect(outcome).toEqual({ type: 'error', code: 'certificate', message: expect.stringMatching(message) })
  expect(asked).toEqual([])
})

test('a certificate of an authority that is not trusted', async () => {
  const { port, asked } = await serveTls('good')
  setDefaultCACertificates([])
  const outcome = await attempt(port)
  setDefaultCACertificates([fixture('ca')])
  expect(outcome).toMatchObject({ type: 'error', code: 'certificate' })
  expect(asked).toEqual([])
})

test('a certificate is judged again where a connection is kept', async () => {
  const { port } = await serveTls('good')
  expect(await attempt(port)).toMatchObject({ status: 200 })
  const { port: other } = await serveTls('expired')
  expect(await attempt(other)).toMatchObject({ code: 'certificate' })
})

describe('no TLS', () => {
  const unsafe = { type: 'error', code: 'tls', message: expect.stringMatching(/./) }

  test('a port that speaks http', async () => {
    const port = await saying('HTTP/1.1 400 Bad Request\r\n\r\n', (socket) => socket.end())
    expect(await attempt(port)).toEqual({ ...unsafe, message: 'wrong version number' })
  })

  test('garbage', async () => expect(await attempt(await saying(Buffer.alloc(512, 7)))).toEqual(unsafe))

  test('a version that is no longer safe', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    const { port, asked } = await serveTls('good', old)
    expect(await attempt(port)).toEqual(unsafe)
    expect(asked).toEqual([])
  })

  test('a server that wants a certificate of ours', async () => {
    const { port, asked } = await serveTls('good', { requestCert: true, rejectUnauthorized: true })
    expect(await attempt(port)).toMatchObject({ type: 'error', code: expect.stringMatching(/^(tls|reset)$/) })
    expect(asked).toEqual([])
  })

  test('a server that hangs up in the handshake', async () => {
    const port = await saying('', (socket) => socket.destroy())
    expect(await attempt(port)).toMatchObject({ type: 'error', code: 'reset' })
  })

  test('a handshake that never ends is no connection', async () => {
    let isAsked = false
    const port = await serveRaw(
      createServer((socket) =>
        socket.once('data', () => {
          isAsked = true
        }),
      ),
    )
    const outcome = attempt(port)
    await until(() => isAsked)
    await clock.advance(5000)
    expect(await outcome).toEqual({ type: 'error', code: 'timeout', message: 'no connection within 5000 ms' })
  })
})
