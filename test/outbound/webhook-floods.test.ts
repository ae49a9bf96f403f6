// One HTTP try against servers that never stop: what is read stays small, and the deadline holds.
import type { Socket } from 'node:net'
import { createGuard } from '../../lib/outbound/guard.ts'
import { createWebhook, type Webhook, type WebhookTry } from '../../lib/outbound/webhook.ts'
import { manualClock } from '../support/manual-clock.ts'
import { saying } from '../support/raw-server.ts'
import { until } from '../support/until.ts'

const clock = manualClock()
let webhook: Webhook
beforeEach(() => {
  webhook = createWebhook({ clock, guard: createGuard() })
})
afterEach(async () => {
  await webhook.close()
  expect(clock.waiting).toBe(0)
})

const request = { method: 'POST' as const, headers: {}, body: 'text' }
const attempt = (port: number, fields: Partial<WebhookTry> = {}) =>
  webhook.attempt({ url: `http://127.0.0.1:${port}/`, guarded: false, request, timeoutMs: 5000, ...fields })

/** More than the buffers of both kernels may take before anybody reads. */
const buffersBytes = 32 * 1024 * 1024

/** Writes `part` as fast as it is taken, up to `mostBytes`; counts what was taken when the connection ends. */
const flooding = (part: string, mostBytes = Number.POSITIVE_INFINITY) => {
  const seen = { bytes: 0, isCut: false }
  const flood = (socket: Socket) => {
    const more = () => {
      while (!socket.destroyed && socket.bytesWritten < mostBytes && socket.write(part));
    }
    socket.on('drain', more).on('close', () => {
      seen.bytes = socket.bytesWritten
      seen.isCut = true
    })
    more()
  }
  return { seen, flood }
}

const head = (...headers: string[]) => ['HTTP/1.1 200 OK', ...headers, '', ''].join('\r\n')
const part = 'x'.repeat(64 * 1024)
const gigabyte = 1024 ** 3

test.each([
  ['of 1 GB', head(`Content-Length: ${gigabyte}`), part, gigabyte],
  ['that says it has 9 million GB', head(`Content-Length: ${Number.MAX_SAFE_INTEGER}`), part, undefined],
  ['without end', head(), part, undefined],
  [
    'of chunks without end',
    head('Transfer-Encoding: chunked'),
    `${part.length.toString(16)}\r\n${part}\r\n`,
    undefined,
  ],
  ['of tiny chunks without end', head('Transfer-Encoding: chunked'), '1\r\nx\r\n'.repeat(5_000), undefined],
])('a body %s is cut off, and its status counts', async (_what, words, part, mostBytes) => {
  const { seen, flood } = flooding(part, mostBytes)
  const outcome = await attempt(await saying(words, flood))
  expect(outcome).toEqual({ type: 'answer', status: 200, retryAfter: null, excerpt: 'x'.repeat(1024) })
  await until(() => seen.isCut)
  expect(seen.bytes).toBeLessThan(buffersBytes)
})

test.each([
  ['interim answers', '', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1_000)],
  ['headers', 'HTTP/1.1 200 OK\r\n', 'X-Long: x\r\n'.repeat(1_000)],
  ['one header', 'HTTP/1.1 200 OK\r\nX-Long: ', part],
  ['a trailer', `${head('Transfer-Encoding: chunked')}0\r\n`, 'X-Long: x\r\n'.repeat(1_000)],
])('%s without end: not understood', async (_what, words, part) => {
  const { seen, flood } = flooding(part)
  const outcome = await attempt(await saying(words, flood))
  expect(outcome).toMatchObject({ type: 'error', code: 'protocol' })
  await until(() => seen.isCut)
  expect(seen.bytes).toBeLessThan(buffersBytes)
})

test.each([
  ['one status line', 'HTTP/1.1 200 ', part, /^no answer within/],
  [
    'one chunk extension',
    `${head('Transfer-Encoding: chunked')}1;`,
    part,
    /^it answered 200, but not to the end/,
  ],
])('%s without end: cut off at the deadline', async (_what, words, part, message) => {
  const { seen, flood } = flooding(part)
  let isAsked = false
  const port = await saying(words, (socket) => {
    isAsked = true
    flood(socket)
  })
  const outcome = attempt(port)
  await until(() => isAsked)
  await clock.advance(5000)
  const expected = { type: 'error', code: 'timeout', message: expect.stringMatching(message) }
  expect(await outcome).toMatchObject(expected)
  await until(() => seen.isCut)
})

test.each([
  ['of the headers', '', `${head()}too late`, 'no answer within 5000 ms'],
  ['of the body', head(), 'x'.repeat(100), 'it answered 200, but not to the end within 5000 ms'],
])('one byte a second %s does not outlive the deadline', async (_what, words, slow, message) => {
  const sockets: Socket[] = []
  const port = await saying(words, (socket) => sockets.push(socket))
  let isOver = false
  const outcome = attempt(port).finally(() => {
    isOver = true
  })
  await until(() => sockets.length === 1)
  for (const byte of slow.slice(0, 5)) {
    expect(isOver).toBe(false)
    await new Promise<void>((resolve) => sockets[0]!.write(byte, () => resolve()))
    await clock.advance(1000)
  }
  expect(await outcome).toEqual({ type: 'error', code: 'timeout', message })
  await until(() => sockets[0]!.destroyed)
})

test('a server that reads nothing does not outlive the deadline', async () => {
  let isAsked = false
  const port = await saying('', (socket) => {
    isAsked = true
    socket.pause()
  })
  const outcome = attempt(port, { request: { ...request, body: 'x'.repeat(buffersBytes) } })
  await until(() => isAsked)
  await clock.advance(5000)
  expect(await outcome).toMatchObject({ type: 'error', code: 'timeout' })
})

test('fifty floods at once, each with the status it began with', async () => {
  const floods = Array.from({ length: 50 }, () => flooding(part))
  let n = 0
  const port = await saying(head(), (socket) => floods[n++]!.flood(socket))
  const outcomes = await Promise.all(floods.map(() => attempt(port)))
  expect(outcomes.map((outcome) => outcome.type === 'answer' && outcome.status)).toEqual(
    floods.map(() => 200),
  )
  await until(() => floods.every(({ seen }) => seen.isCut))
  for (const { seen } of floods) expect(seen.bytes).toBeLessThan(buffersBytes)
})
