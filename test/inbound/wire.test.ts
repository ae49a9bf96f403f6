// What happens on the wire: bodies too large, in pieces, never ending, or not coming at all.
import type { RequestHandler } from 'express'
import request from 'supertest'
import { urlNetworks } from '../../lib/gateways/url-networks.ts'
import { manualClock } from '../support/manual-clock.ts'
import { rawRequest, serve } from '../support/raw-request.ts'
import { documentedBody, hostApp, receiving, token, versions } from '../support/receiving.ts'
import { until } from '../support/until.ts'

const head = (...headers: string[]) =>
  [`POST /sms/pbx/${token} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n')

const chunk = (data: string) => `${Buffer.byteLength(data).toString(16)}\r\n${data}\r\n`

describe.each(versions)('on the wire, %s', (_name, express) => {
  const start = async (options: Parameters<typeof receiving>[0] = {}) => {
    const received = receiving(options)
    const port = await serve(hostApp(express, ['/sms', received.router]))
    return { ...received, port, asked: await rawRequest(port) }
  }

  test('a body in many pieces is one body', async () => {
    const { asked, events } = await start()
    const body = 'body=%F0%9F%8C%B9+roses&message_id=m-1'
    asked.write(head(`Content-Length: ${body.length}`))
    for (const letter of body) asked.write(letter)
    await asked.heard('\r\n\r\n')
    expect(asked.answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(events).toMatchObject([{ text: '🌹 roses' }])
  })

  test('a body in chunks is one body, and the connection stays open for the next', async () => {
    const { asked, events } = await start()
    for (const id of ['m-1', 'm-2']) {
      asked.write(
        head('Transfer-Encoding: chunked') + chunk('body=a') + chunk(`bc&message_id=${id}`) + chunk(''),
      )
      await until(() => events.length > 0 && events.at(-1)!.messageId === id)
    }
    await until(() => asked.answer.split('HTTP/1.1 200 OK').length === 3)
    expect(events.map(({ text }) => text)).toEqual(['abc', 'abc'])
  })

  test('a Content-Length over the limit is refused before any of the body has come', async () => {
    const { asked, events, unreadable } = await start()
    asked.write(head('Content-Length: 65537'))
    await asked.heard('body-too-large')
    expect(asked.answer).toMatch(/^HTTP\/1\.1 413 .*Connection: close\r\n/s)
    // The sender finishes what it was at, and then the connection closes without a reset.
    asked.write('x'.repeat(65_537))
    await asked.closed
    expect([events, unreadable]).toEqual([[], []])
  })

  test('a body that turns out too large is refused while it still comes', async () => {
    const { asked, events } = await start({ gateways: { pbx: urlNetworks({ token, maxBytes: 100 }) } })
    asked.write(head('Transfer-Encoding: chunked') + chunk('a'.repeat(60)))
    asked.write(chunk('a'.repeat(60)))
    await asked.heard('body-too-large')
    asked.write(chunk('a'.repeat(60)) + chunk(''))
    await asked.closed
    expect(asked.answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(events).toEqual([])
  })

  test('a body without end is cut off', async () => {
    const { asked } = await start({ clock: manualClock() })
    asked.write(head('Transfer-Encoding: chunked') + chunk('a'.repeat(70_000)))
    await asked.heard('body-too-large')
    const million = chunk('a'.repeat(1_000_000))
    for (let count = 0; count < 20; count += 1) asked.write(million)
    await asked.closed
  })

  test('a refused sender who falls silent is not waited for long', async () => {
    const clock = manualClock()
    const { asked } = await start({ clock })
    asked.write(head('Content-Length: 70000'))
    await asked.heard('body-too-large')
    await clock.advance(5_000)
    await asked.closed
  })

  test('a stranger is refused before the body has come', async () => {
    const { asked, rejections } = await start()
    asked.write(head('Content-Length: 10').replace(token, 'wrong'))
    await asked.heard('token-mismatch')
    expect(asked.answer).toMatch(/^HTTP\/1\.1 401 .*Connection: close\r\n/s)
    asked.write('0123456789')
    await asked.closed
    expect(rejections).toHaveLength(1)
  })

  test('a wrong method without a body leaves the connection open', async () => {
    const { asked } = await start()
    asked.write(head().replace('POST', 'GET'))
    await asked.heard('method-not-allowed')
    asked.write(head().replace('POST', 'HEAD'))
    await until(() => asked.answer.split('405 Method Not Allowed').length === 3)
    expect(asked.answer).not.toContain('Connection: close')
  })

  test('a sender who goes away in the middle is not accepted', async () => {
    const { asked, events, unreadable, rejections, port } = await start()
    asked.write(`${head('Content-Length: 100')}body=half`)
    await request(`http://127.0.0.1:${port}`).get('/').expect(404)
    asked.leave()
    await until(() => rejections.length === 1)
    expect(rejections).toMatchObject([{ code: 'body-aborted' }])
    expect([events, unreadable]).toEqual([[], []])
  })

  test('a sender who has gone before the router is reached is not waited for', async () => {
    const received = receiving()
    const late: RequestHandler = (req, _res, next) => {
      req.on('close', () => next()).on('error', () => {})
    }
    const app = hostApp(express, ['/', late], ['/sms', received.router])
    const asked = await rawRequest(await serve(app))
    asked.write(`${head('Content-Length: 100')}body=half`)
    asked.leave()
    await until(() => received.rejections.length === 1)
    expect(received.rejections).toMatchObject([{ code: 'body-aborted' }])
  })

  test('a sender who goes away after the body has come is heard all the same', async () => {
    let isGone = false
    const { asked, events } = await start({
      accept: async (batch) => {
        asked.leave()
        await asked.closed
        isGone = true
        events.push(...batch)
      },
    })
    asked.write(head(`Content-Length: ${documentedBody.length}`) + documentedBody)
    await until(() => isGone && events.length === 1)
  })

  test('the absolute form of a request line', async () => {
    const { asked, events } = await start()
    const line = head(`Content-Length: ${documentedBody.length}`).replace(
      '/sms',
      'http://sms.example.com/sms',
    )
    asked.write(line + documentedBody)
    await asked.heard('200 OK')
    expect(events).toHaveLength(1)
  })
})
