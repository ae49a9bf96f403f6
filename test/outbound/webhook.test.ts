// One HTTP try against servers that answer.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createGuard } from '../../lib/outbound/guard.ts'
import { createWebhook, type Webhook, type WebhookTry } from '../../lib/outbound/webhook.ts'
import { type HttpServer, listen, startHttp } from '../support/http-server.ts'
import { manualClock, settled } from '../support/manual-clock.ts'
import { until } from '../support/until.ts'

const clock = manualClock()
let webhook: Webhook
const servers: HttpServer[] = []

beforeEach(() => {
  webhook = createWebhook({ clock, guard: createGuard() })
})
afterEach(async () => {
  await webhook.close()
  await Promise.all(servers.splice(0).map((server) => server.close()))
  // Whatever came of a try, its deadline must not be left behind.
  expect(clock.waiting).toBe(0)
})

const start = async (...answer: Parameters<typeof startHttp>) => {
  const server = await startHttp(...answer)
  servers.push(server)
  return server
}
const request = { method: 'POST' as const, headers: { 'content-type': 'text/plain' }, body: 'Grüße 😀' }
const attempt = (url: string, fields: Partial<WebhookTry> = {}) =>
  webhook.attempt({ url, guarded: false, request, timeoutMs: 5000, ...fields })

/** The same in a process of its own: some of the environment is read only when Node starts. */
const attemptElsewhere = async (url: string, env: NodeJS.ProcessEnv, guarded = false): Promise<unknown> => {
  const lib = join(import.meta.dirname, '../../lib')
  const script = `
    const { createWebhook } = await import('${lib}/outbound/webhook.ts')
    const { createGuard } = await import('${lib}/outbound/guard.ts')
    const { systemClock: clock } = await import('${lib}/clock.ts')
    const webhook = createWebhook({ clock, guard: createGuard(['127.0.0.1', 'localhost']) })
    const request = { method: 'POST', headers: {}, body: '' }
    const one = { url: process.argv[1], guarded: ${guarded}, request, timeoutMs: 10_000 }
    console.log(JSON.stringify(await webhook.attempt(one)))
    await webhook.close()`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, url], {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  })
  return JSON.parse(stdout)
}

describe('answers', () => {
  test.each([200, 201, 202, 204, 299, 301, 302, 307, 308, 400, 410, 429, 500, 599])(
    '%i is an answer, and no other request follows',
    async (status) => {
      const server = await start((_asked, response) => {
        response.writeHead(status, { location: '/elsewhere' }).end()
      })
      const outcome = await attempt(`${server.url}/sms`)
      expect(outcome).toEqual({ type: 'answer', status, retryAfter: null, excerpt: '' })
      expect(server.asked.map(({ path }) => path)).toEqual(['/sms'])
    },
  )

  test('Retry-After is kept as it came, but never more than a header should hold', async () => {
    const server = await start(({ path }, response) => {
      response.writeHead(503, { 'retry-after': path === '/long' ? 'x'.repeat(5000) : '120' }).end()
    })
    expect(await attempt(`${server.url}/`)).toMatchObject({ status: 503, retryAfter: '120' })
    const long = await attempt(`${server.url}/long`)
    expect(long).toMatchObject({ status: 503, retryAfter: 'x'.repeat(100) })
  })

  test('interim answers are not the answer', async () => {
    const server = await start((_asked, response) => {
      response.writeProcessing()
      response.writeEarlyHints({ link: '</style.css>; rel=preload' })
      response.writeHead(200).end('done')
    })
    expect(await attempt(server.url)).toMatchObject({ status: 200, excerpt: 'done' })
  })

  test('the first kilobyte of the body is kept, without half a character at its end', async () => {
    const server = await start(({ path }, response) => {
      response.end(path === '/short' ? 'no such customer' : `x${'ü'.repeat(5000)}`)
    })
    expect(await attempt(`${server.url}/short`)).toMatchObject({ excerpt: 'no such customer' })
    expect(await attempt(`${server.url}/long`)).toMatchObject({ excerpt: `x${'ü'.repeat(511)}` })
  })

  test('an endless body is cut, and the try ends as an answer', async () => {
    let isCut = false
    const server = await start((_asked, response) => {
      const chunk = Buffer.alloc(16 * 1024, 'x')
      const more = () => {
        while (response.write(chunk));
      }
      response.on('drain', more)
      response.on('close', () => {
        isCut = true
      })
      response.writeHead(200)
      more()
    })
    const outcome = await attempt(server.url)
    expect(outcome).toEqual({ type: 'answer', status: 200, retryAfter: null, excerpt: 'x'.repeat(1024) })
    await until(() => isCut)
  })
})

describe('requests', () => {
  test('carry the format as it is, and our name', async () => {
    const server = await start()
    await attempt(`${server.url}/a/b?c=d%20e#f`)
    const [asked] = server.asked
    expect(asked).toMatchObject({ method: 'POST', path: '/a/b?c=d%20e', body: 'Grüße 😀' })
    expect(asked!.headers).toMatchObject({
      'content-type': 'text/plain',
      'content-length': String(Buffer.byteLength('Grüße 😀')),
      'user-agent': 'smshook',
    })
    expect(asked!.headers).not.toHaveProperty('authorization')
  })

  test('a format may bring a name of its own', async () => {
    const server = await start()
    await attempt(server.url, { request: { ...request, headers: { 'user-agent': 'me.capcom' } } })
    expect(server.asked[0]!.headers['user-agent']).toBe('me.capcom')
  })

  test.each([
    ['user:secret', 'user:secret'],
    ['us%40er:p%3Aw%20%C3%BC', 'us@er:p:w ü'],
    ['user', 'user:'],
    [':token', ':token'],
    ['user:100%', 'user:100%'],
  ])('credentials %s in the URL become Basic auth', async (written, expected) => {
    const server = await start()
    await attempt(server.url.replace('//', `//${written}@`))
    const { authorization } = server.asked[0]!.headers
    expect(authorization).toBe(`Basic ${Buffer.from(expected).toString('base64')}`)
  })

  test('what the format signs with counts for more than credentials in the URL', async () => {
    const server = await start()
    const headers = { authorization: 'Bearer signed' }
    await attempt(server.url.replace('//', '//user:secret@'), { request: { ...request, headers } })
    expect(server.asked[0]!.headers.authorization).toBe('Bearer signed')
  })

  test.each(['http://user:secret@', 'user:secret', 'nonsense', '', 'http://u:secret@127.0.0.1:99999/'])(
    '%p cannot be called, which is an outcome too and shows no credentials',
    async (url) => {
      const outcome = await attempt(url)
      expect(outcome).toMatchObject({ type: 'error', code: 'network' })
      expect(JSON.stringify(outcome)).not.toContain('secret')
    },
  )

  test('a header that cannot be sent is an outcome too', async () => {
    const server = await start()
    const outcome = await attempt(server.url, { request: { ...request, headers: { 'x-id': 'a\r\nb: c' } } })
    expect(outcome).toMatchObject({ type: 'error', code: 'network' })
    expect(server.asked).toEqual([])
  })

  test.each([
    ['configured, by address', false, '127.0.0.1'],
    ['given as data, by address', true, '127.0.0.1'],
    ['given as data, by name', true, 'localhost'],
  ])('proxies of the environment are not used for a URL %s', async (_how, guarded, host) => {
    const server = await start()
    const proxy = await start()
    const variables = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()])
    const proxies = Object.fromEntries(variables.map((name) => [name, proxy.url]))
    const env = { ...proxies, NO_PROXY: '', no_proxy: '', NODE_USE_ENV_PROXY: '1' }
    const outcome = await attemptElsewhere(server.url.replace('127.0.0.1', host), env, guarded)
    expect(outcome).toMatchObject({ type: 'answer', status: 200 })
    expect([server.connections, proxy.connections]).toEqual([1, 0])
  })

  test('https works, in HTTP/1.1 where more is offered too', async () => {
    const fixture = (name: string) => join(import.meta.dirname, '../fixtures/tls', name)
    const [key, cert] = [readFileSync(fixture('key.pem')), readFileSync(fixture('cert.pem'))]
    const server = createSecureServer({ key, cert, allowHTTP1: true }, (asked, response) => {
      response.end(asked.httpVersion)
    })
    const port = await listen(server)
    const outcome = await attemptElsewhere(`https://localhost:${port}/`, {
      NODE_EXTRA_CA_CERTS: fixture('cert.pem'),
    })
    server.close()
    expect(outcome).toMatchObject({ type: 'answer', status: 200, excerpt: '1.1' })
  })
})

describe('connections', () => {
  test('are kept for the next try', async () => {
    const server = await start()
    for (let n = 0; n < 5; n += 1) {
      await attempt(server.url)
      await settled()
    }
    expect(server.asked).toHaveLength(5)
    expect(server.connections).toBe(1)
  })

  test('one that the server closed between two tries is replaced', async () => {
    const server = await start()
    expect(await attempt(server.url)).toMatchObject({ status: 200 })
    server.closeIdle()
    expect(await attempt(server.url)).toMatchObject({ status: 200 })
    expect(server.connections).toBe(2)
  })

  test('tries at the same time do not wait for each other', async () => {
    let release = () => {}
    const server = await start(({ path }, response) => {
      if (path === '/slow') release = () => response.end()
      else response.end()
    })
    const slow = attempt(`${server.url}/slow`)
    await until(() => server.asked.length === 1)
    expect(await attempt(`${server.url}/fast`)).toMatchObject({ status: 200 })
    release()
    expect(await slow).toMatchObject({ status: 200 })
  })
})
