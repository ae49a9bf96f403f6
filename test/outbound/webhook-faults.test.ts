// One HTTP try against everything that is no answer.
import { createServer, type Socket } from 'node:net'
import { createGuard, type Guard } from '../../lib/outbound/guard.ts'
import { createWebhook, type Webhook, type WebhookTry } from '../../lib/outbound/webhook.ts'
import { listen, startHttp } from '../support/http-server.ts'
import { manualClock } from '../support/manual-clock.ts'
import { saying } from '../support/raw-server.ts'
import { until } from '../support/until.ts'

const clock = manualClock()
let webhook: Webhook
const closers: (() => unknown)[] = []

beforeEach(() => {
  webhook = createWebhook({ clock, guard: createGuard() })
})
afterEach(async () => {
  await webhook.close()
  for (const close of closers.splice(0)) await close()
  // Whatever came of a try, its deadline must not be left behind.
  expect(clock.waiting).toBe(0)
})

const request = { method: 'POST' as const, headers: {}, body: 'text' }
const attempt = (url: string, fields: Partial<WebhookTry> = {}) =>
  webhook.attempt({ url, guarded: false, request, timeoutMs: 5000, ...fields })

const url = (port: number) => `http://127.0.0.1:${port}/`
const closedPort = async () => {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('connections that break', () => {
  test('refused', async () => {
    const port = await closedPort()
    const message = `connect ECONNREFUSED 127.0.0.1:${port}`
    expect(await attempt(url(port))).toEqual({ type: 'error', code: 'refused', message })
  })

  test('refused at every address of a name says so', async () => {
    const port = await closedPort()
    const addresses = [
      { address: '127.0.0.1', family: 4 },
      { address: '127.0.0.2', family: 4 },
    ]
    const lookup: Guard['lookup'] = (_hostname, _options, callback) => callback(null, addresses)
    await webhook.close()
    webhook = createWebhook({ clock, guard: { refusal: () => null, lookup } })
    const outcome = await attempt(`http://crm.example.com:${port}/`, { guarded: true })
    expect(outcome).toMatchObject({ type: 'error', code: 'refused', message: expect.stringMatching(/./) })
  })

  test.each<[string, string, (socket: Socket) => void]>([
    ['reset before the headers', '', (socket) => socket.resetAndDestroy()],
    ['hung up before the headers', '', (socket) => socket.end()],
    ['reset in the headers', 'HTTP/1.1 200 OK\r\nX-Half: ', (socket) => socket.resetAndDestroy()],
    [
      'reset in the body',
      'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc',
      (socket) => socket.resetAndDestroy(),
    ],
    ['hung up in the body', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', (socket) => socket.end()],
    [
      'hung up between chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
      (socket) => socket.end(),
    ],
  ])('%s', async (_name, words, then) => {
    const outcome = await attempt(url(await saying(words, then)))
    expect(outcome).toMatchObject({ type: 'error', code: 'reset' })
  })

  test('an answer that breaks off says how it began', async () => {
    const port = await saying('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', (socket) => socket.end())
    const outcome = await attempt(url(port))
    expect(outcome).toMatchObject({ message: expect.stringMatching(/^it answered 200, then: /) })
  })

  test('a body that ends with the connection, as old servers do, is whole', async () => {
    const port = await saying('HTTP/1.0 200 OK\r\n\r\nfine', (socket) => socket.end())
    expect(await attempt(url(port))).toMatchObject({ type: 'answer', status: 200, excerpt: 'fine' })
  })
})

describe('answers that are none', () => {
  test.each([
    ['another protocol', '220 mail.example.com ESMTP\r\n'],
    ['garbage', '\u0000\u0001\u0002garbage\r\n\r\n'],
    ['an odd status', 'HTTP/1.1 2OO OK\r\n\r\n'],
    ['a header without a name', 'HTTP/1.1 200 OK\r\n: nameless\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['an odd chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
    ['endless headers', `HTTP/1.1 200 OK\r\n${'X-Long: x\r\n'.repeat(10_000)}`],
  ])('%s', async (_name, words) => {
    const outcome = await attempt(url(await saying(words)))
    expect(outcome).toMatchObject({ type: 'error', code: 'protocol' })
  })

  test.each([
    [
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
      /switches to a protocol/,
    ],
    ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', /100 Continue/],
  ])('what was not asked for: %j', async (words, message) => {
    const outcome = await attempt(url(await saying(words)))
    expect(outcome).toMatchObject({
      type: 'error',
      code: 'protocol',
      message: expect.stringMatching(message),
    })
  })
})

describe('silence', () => {
  /** Lets the deadline pass once the server has been asked. */
  const timedOut = async (words: string, message: string) => {
    let isAsked = false
    let isClosed = false
    const port = await saying(words, (socket) => {
      isAsked = true
      socket.on('close', () => {
        isClosed = true
      })
    })
    let isOver = false
    const outcome = attempt(url(port)).finally(() => {
      isOver = true
    })
    await until(() => isAsked)
    await clock.advance(4999)
    expect(isOver).toBe(false)
    await clock.advance(1)
    expect(await outcome).toEqual({
      type: 'error',
      code: 'timeout',
      message,
    })
    await until(() => isClosed)
  }

  const silent = 'no answer within 5000 ms'
  const halfway = 'it answered 200, but not to the end within 5000 ms'
  test('before the headers', () => timedOut('', silent))
  test('in the headers', () => timedOut('HTTP/1.1 200 OK\r\nX-Half: ', silent))
  test('after an interim answer', () => timedOut('HTTP/1.1 103 Early Hints\r\n\r\n', silent))
  test('after the headers', () => timedOut('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', halfway))
  test('in the body', () => timedOut('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', halfway))
  test('between chunks', () =>
    timedOut('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n', halfway))

  test('while the name is looked up; the request is not made when the name is found at last', async () => {
    const server = await startHttp()
    closers.push(server.close)
    const { port } = new URL(server.url)
    const asked: (() => void)[] = []
    const lookup: Guard['lookup'] = (_hostname, _options, callback) => {
      asked.push(() => callback(null, [{ address: '127.0.0.1', family: 4 }]))
    }
    await webhook.close()
    webhook = createWebhook({ clock, guard: { refusal: () => null, lookup } })
    const late = attempt(`http://crm.example.com:${port}/late`, { guarded: true })
    await until(() => asked.length === 1)
    await clock.advance(5000)
    expect(await late).toEqual({ type: 'error', code: 'timeout', message: 'no connection within 5000 ms' })
    const next = attempt(`http://crm.example.com:${port}/next`, { guarded: true })
    await until(() => asked.length === 2)
    for (const answer of asked) answer()
    expect(await next).toMatchObject({ type: 'answer', status: 200 })
    await until(() => server.connections === 2)
    expect(server.asked.map(({ path }) => path)).toEqual(['/next'])
  })

  test('close ends open tries', async () => {
    let isAsked = false
    const port = await saying('', () => {
      isAsked = true
    })
    const outcome = attempt(url(port))
    await until(() => isAsked)
    await webhook.close()
    expect(await outcome).toMatchObject({ type: 'error' })
    expect(await attempt(url(port))).toMatchObject({ type: 'error' })
  })
})

describe('names', () => {
  test('a name that does not resolve', async () => {
    const outcome = await attempt('http://crm.invalid/')
    expect(outcome).toMatchObject({ type: 'error', code: 'dns' })
  })

  test('a name server that does not answer', async () => {
    const lookup: Guard['lookup'] = (_hostname, _options, callback) =>
      callback(Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN' }), [])
    await webhook.close()
    webhook = createWebhook({ clock, guard: { refusal: () => null, lookup } })
    const outcome = await attempt('http://crm.example.com/', { guarded: true })
    expect(outcome).toMatchObject({ type: 'error', code: 'dns' })
  })
})

describe('guarded', () => {
  const guardedWith = async (guard: Guard) => {
    const server = await startHttp()
    closers.push(server.close)
    await webhook.close()
    webhook = createWebhook({ clock, guard })
    return server
  }

  test('a URL that is refused is not called', async () => {
    const server = await guardedWith(createGuard())
    const outcome = await attempt(server.url, { guarded: true })
    expect(outcome).toEqual({ type: 'error', code: 'blocked', message: 'its address is not public' })
    expect(server.connections).toBe(0)
  })

  test('a name that resolves to a refused address is not called', async () => {
    const server = await guardedWith({ ...createGuard(), refusal: () => null })
    const outcome = await attempt(server.url.replace('127.0.0.1', 'localhost'), { guarded: true })
    expect(outcome).toMatchObject({ type: 'error', code: 'blocked' })
    expect(server.connections).toBe(0)
  })

  test('what is allowed is called', async () => {
    const server = await guardedWith(createGuard(['127.0.0.0/8']))
    expect(await attempt(server.url, { guarded: true })).toMatchObject({ type: 'answer', status: 200 })
  })

  test('a configured URL is trusted', async () => {
    const server = await guardedWith({ ...createGuard(), refusal: () => 'nothing is allowed' })
    const named = server.url.replace('127.0.0.1', 'localhost')
    expect(await attempt(named, { guarded: false })).toMatchObject({ type: 'answer', status: 200 })
  })
})
