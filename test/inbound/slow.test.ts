// Bodies that come too slowly: each has a time that grows with its size, and then the connection closes.
import { urlNetworks } from '../../lib/gateways/url-networks.ts'
import { manualClock } from '../support/manual-clock.ts'
import { rawRequest, serve } from '../support/raw-request.ts'
import { documentedBody, hostApp, receiving, token, versions } from '../support/receiving.ts'
import { until } from '../support/until.ts'

const head = (...headers: string[]) =>
  [`POST /sms/pbx/${token} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n')

describe.each(versions)('slow senders on %s', (_name, express) => {
  const start = async (maxBytes = 64_000) => {
    const clock = manualClock()
    const received = receiving({ clock, gateways: { pbx: urlNetworks({ token, maxBytes }) } })
    const port = await serve(hostApp(express, ['/sms', received.router]))
    return { ...received, clock, port, ask: () => rawRequest(port) }
  }

  test.each([
    ['one byte a second', 'Content-Length: 100', 'b'],
    ['nothing at all', 'Content-Length: 100', ''],
    ['tiny chunks', 'Transfer-Encoding: chunked', '1\r\nb\r\n'],
    // Without its last byte, a file that inflates to nothing so far.
    ['a compressed body', 'Content-Encoding: gzip\r\nContent-Length: 100', '\x1f'],
  ])('%s: 408, and the connection closes', async (_what, header, part) => {
    const { ask, clock, events, unreadable, rejections, logger } = await start()
    const asked = await ask()
    asked.write(head(header))
    await until(() => clock.waiting === 1)
    for (let second = 0; second < 15; second += 1) {
      if (part) asked.write(part)
      expect(asked.answer).toBe('')
      await clock.advance(1_000)
    }
    await clock.advance(1_000)
    await asked.heard('body-timeout')
    await asked.closed
    expect(asked.answer).toMatch(/^HTTP\/1\.1 408 .*Connection: close\r\n/s)
    expect([events, unreadable]).toEqual([[], []])
    expect(rejections).toMatchObject([{ code: 'body-timeout' }])
    expect(logger.lines).toMatchObject([{ details: { code: 'body-timeout', source: '127.0.0.1' } }])
  })

  test('a large body has more time', async () => {
    const { ask, clock, events } = await start(1_000_000)
    const body = documentedBody.padEnd(640_000, '&')
    const asked = await ask()
    asked.write(head(`Content-Length: ${body.length}`) + body.slice(0, -1))
    await until(() => clock.waiting === 1)
    await clock.advance(24_999)
    expect(asked.answer).toBe('')
    asked.write(body.slice(-1))
    await asked.heard('200 OK')
    expect(events).toHaveLength(1)
  })

  test('together they fill no memory: beyond 128 MB of bodies that are being read, 503, and room again after', async () => {
    const { ask, clock, events, logger } = await start(60 * 1024 * 1024)
    const part = Buffer.alloc(50 * 1024 * 1024, '&').toString('latin1')
    const slow = await Promise.all([ask(), ask(), ask()])
    for (const asked of slow) asked.write(head(`Content-Length: ${part.length + 1}`) + part)
    const refused = () => slow.filter(({ answer }) => answer.includes('engine-overloaded'))
    await until(() => refused().length > 0)
    expect(refused()).toHaveLength(1)
    expect(refused()[0]!.answer).toMatch(/^HTTP\/1\.1 503 .*Retry-After: /s)
    expect(logger.lines).toMatchObject([{ level: 'error', details: { code: 'engine-overloaded' } }])
    await clock.advance(2_000_000)
    const asked = await ask()
    asked.write(head(`Content-Length: ${documentedBody.length}`) + documentedBody)
    await asked.heard('200 OK')
    expect(events).toHaveLength(1)
  })

  test('one that came in time leaves no clock running', async () => {
    const { ask, clock } = await start()
    const asked = await ask()
    for (const count of [1, 2, 3]) {
      asked.write(head(`Content-Length: ${documentedBody.length}`) + documentedBody)
      await until(() => asked.answer.split('200 OK').length === count + 1)
      expect(clock.waiting).toBe(0)
    }
  })

  test('a hundred of them harm nobody else', async () => {
    const { ask, clock, events } = await start()
    const slow = await Promise.all(Array.from({ length: 100 }, ask))
    for (const asked of slow) asked.write(`${head('Content-Length: 100')}body=`)
    await until(() => clock.waiting === 100)
    const quick = await ask()
    quick.write(head(`Content-Length: ${documentedBody.length}`) + documentedBody)
    await quick.heard('200 OK')
    expect(events).toHaveLength(1)
    await clock.advance(16_000)
    await Promise.all(slow.map(({ closed }) => closed))
    expect(slow.every(({ answer }) => answer.includes(' 408 '))).toBe(true)
  })
})
