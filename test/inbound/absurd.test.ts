// Requests that no client would send: heads, lengths and codings at odds with the protocol or with themselves.
// Node refuses most of them before anybody is asked; what it lets through is stored or refused, never a 5xx.
import { urlNetworks } from '../../lib/gateways/url-networks.ts'
import { rawRequest, serve } from '../support/raw-request.ts'
import { documentedBody, hostApp, receiving, token, versions } from '../support/receiving.ts'
import { until } from '../support/until.ts'

const head = (...headers: string[]) =>
  [`POST /sms/pbx/${token} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n')
const length = `Content-Length: ${documentedBody.length}`
const chunked = `${documentedBody.length.toString(16)}\r\n${documentedBody}\r\n0\r\n\r\n`

describe.each(versions)('absurd requests on %s', (_name, express) => {
  const start = async () => {
    const received = receiving({ gateways: { pbx: urlNetworks({ token }) } })
    const port = await serve(hostApp(express, ['/sms', received.router]))
    /** The status of the answer to these bytes; 0 where the connection is reset before it comes through. */
    const ask = async (bytes: string): Promise<number> => {
      const asked = await rawRequest(port)
      asked.write(bytes)
      let isClosed = false
      const close = () => {
        isClosed = true
      }
      asked.closed.then(close, close)
      await until(() => isClosed || asked.answer.includes('\r\n\r\n'))
      asked.leave()
      return Number(/^HTTP\/1\.1 (\d{3}) /.exec(asked.answer)?.[1] ?? 0)
    }
    return { ...received, ask }
  }

  test.each<[string, string]>([
    [
      '10,000 headers',
      head(...Array.from({ length: 10_000 }, (_, n) => `X-${n}: ${n}`), length) + documentedBody,
    ],
    ['a header of 20 kB', head(`X-Long: ${'x'.repeat(20_000)}`, length) + documentedBody],
    ['a URL of 20 kB', head(length).replace(token, 'x'.repeat(20_000)) + documentedBody],
    ['a header without a name', head(': x', length) + documentedBody],
    ['a header with a space in its name', head('X Y: x', length) + documentedBody],
    ['a zero byte in a header', head('X: a\0b', length) + documentedBody],
    ['a folded header', head('X: a\r\n b', 'Content-Length : 5') + documentedBody],
    ['no host', head(length).replace('Host: x\r\n', '') + documentedBody],
    ['a signed length', head('Content-Length: +5') + documentedBody],
    ['a negative length', head('Content-Length: -5') + documentedBody],
    ['a hex length', head('Content-Length: 0x5') + documentedBody],
    ['a broken length', head('Content-Length: 5.5') + documentedBody],
    ['two lengths in one', head('Content-Length: 5, 5') + documentedBody],
    ['two lengths', head(length, 'Content-Length: 5') + documentedBody],
    ['a length beyond all numbers', head(`Content-Length: ${'9'.repeat(40)}`) + documentedBody],
    ['the largest length there is', head('Content-Length: 18446744073709551615') + documentedBody],
    ['a length and chunks', head(length, 'Transfer-Encoding: chunked') + chunked],
    ['chunks that are not last', head('Transfer-Encoding: chunked, gzip') + chunked],
    ['an unknown coding', head('Transfer-Encoding: xchunked') + chunked],
    ['no coding', head('Transfer-Encoding: identity') + chunked],
    ['a chunk of no length', `${head('Transfer-Encoding: chunked')}xyz\r\n`],
    ['a chunk of a negative length', `${head('Transfer-Encoding: chunked')}-5\r\nhello\r\n0\r\n\r\n`],
    ['a chunk beyond all numbers', `${head('Transfer-Encoding: chunked')}${'f'.repeat(40)}\r\n`],
    ['a chunk that is longer than it says', `${head('Transfer-Encoding: chunked')}1\r\nabc\r\n0\r\n\r\n`],
    ['an endless chunk extension', `${head('Transfer-Encoding: chunked')}1;${'x'.repeat(20_000)}`],
    ['an endless trailer', `${head('Transfer-Encoding: chunked')}0\r\n${'X: x\r\n'.repeat(5_000)}`],
    ['an unknown method', head(length).replace('POST', 'POOST') + documentedBody],
    ['another protocol', 'HELO mail.example.com\r\n\r\n'],
    ['garbage', '\0\x01\x02\xff\r\n\r\n'],
  ])('%s: 4xx, and nothing is kept', async (_what, bytes) => {
    const { ask, events, unreadable } = await start()
    expect(String(await ask(bytes))).toMatch(/^(4\d\d|0)$/)
    expect([events, unreadable]).toEqual([[], []])
    // And the next request is served.
    expect(await ask(head(length) + documentedBody)).toBe(200)
  })

  test.each<[string, string]>([
    ['hundreds of headers', head(...Array.from({ length: 500 }, () => 'a:'), length) + documentedBody],
    [
      'a header twice',
      head('X-Y: 1', 'X-Y: 2', 'Content-Type: a/b', 'Content-Type: c/d', length) + documentedBody,
    ],
    ['names of prototypes', head('__proto__: x', 'constructor: x', 'toString: x', length) + documentedBody],
    ['codings in capitals', head('TRANSFER-ENCODING: CHUNKED') + chunked],
    ['leading zeros', head(`Content-Length: 000${documentedBody.length}`) + documentedBody],
    [
      'chunks with extensions and a trailer',
      head('Transfer-Encoding: chunked') +
        chunked.replace('\r\n', ';a=b\r\n').replace(/\r\n$/, 'X: y\r\n\r\n'),
    ],
    ['a method in the headers', head('X-HTTP-Method-Override: DELETE', length) + documentedBody],
    ['a question whether to go on', head('Expect: 100-continue', length) + documentedBody],
  ])('%s: heard all the same', async (_what, bytes) => {
    const { ask, events } = await start()
    expect([100, 200]).toContain(await ask(bytes))
    await until(() => events.length === 1)
    expect(events).toMatchObject([{ text: 'Test Message' }])
  })

  test.each([
    undefined,
    '',
    ';',
    'text/plain',
    'text/html; charset=utf-7',
    'multipart/form-data',
    'multipart/form-data; boundary=x',
    'application/json',
    'application/x-www-form-urlencoded; charset=utf-16',
    'application/x-www-form-urlencoded; charset=__proto__',
    'application/x-www-form-urlencoded; charset="',
    `application/x-www-form-urlencoded; charset=${'x'.repeat(10_000)}`,
    `${'a/b;'.repeat(3_000)}`,
    '\xff\xfe',
  ])('the content type %j does not change what the form says', async (type) => {
    const { ask, events } = await start()
    const headers = type === undefined ? [length] : [`Content-Type: ${type}`, length]
    expect(await ask(head(...headers) + documentedBody)).toBe(200)
    expect(events).toMatchObject([{ text: 'Test Message', notes: [] }])
  })
})
