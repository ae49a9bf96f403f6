// Bodies that a proxy has compressed: inflated, bounded, and signed as they were before.
import { createHmac } from 'node:crypto'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import request from 'supertest'
import { smsGate } from '../../lib/gateways/sms-gate.ts'
import { urlNetworks } from '../../lib/gateways/url-networks.ts'
import { documentedBody, hostApp, type Receiving, receiving, token, versions } from '../support/receiving.ts'

const codings: [string, (data: Buffer | string) => Buffer][] = [
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['GZip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
]

/** Its checksum and length are the last eight bytes. */
const withWrongSum = Buffer.concat([gzipSync(documentedBody).subarray(0, -8), Buffer.alloc(8)])

describe.each(versions)('compressed bodies on %s', (_name, express) => {
  const post = (received: Receiving, coding: string, body: Buffer, path = `/sms/pbx/${token}`) =>
    request(hostApp(express, ['/sms', received.router]))
      .post(path)
      .type('form')
      .set('content-encoding', coding)
      // Or superagent would make JSON of it.
      .serialize((bytes) => bytes as never)
      .send(body as never)

  test.each(codings)('%s is undone', async (coding, compress) => {
    const received = receiving()
    await post(received, coding, compress(documentedBody)).expect(200)
    expect(received.events).toMatchObject([{ text: 'Test Message', to: { raw: 'YOUR_SMS_NUMBER' } }])
  })

  test.each(codings)('%s is bounded after inflation', async (coding, compress) => {
    const received = receiving({ gateways: { pbx: urlNetworks({ token, maxBytes: 1_000 }) } })
    const padded = (length: number) => compress(documentedBody.padEnd(length, '&'))
    await post(received, coding, padded(1_000)).expect(200)
    await post(received, coding, padded(1_001)).expect(413, 'body-too-large')
    await post(received, coding, compress(Buffer.alloc(5_000_000))).expect(413, 'body-too-large')
    expect(received.events).toHaveLength(1)
    expect(received.unreadable).toEqual([])
  })

  test('it is bounded before inflation too: many empty files in a row inflate to nothing', async () => {
    const received = receiving()
    const body = Buffer.concat(Array.from({ length: 4_000 }, () => gzipSync('')))
    await post(received, 'gzip', body).expect(413, 'body-too-large')
  })

  test.each<[string, string, Buffer]>([
    ['cut off', 'gzip', gzipSync(documentedBody).subarray(0, 60)],
    ['with a wrong sum at its end', 'gzip', withWrongSum],
    ['another coding', 'br', gzipSync(documentedBody)],
    ['without the frame that deflate has', 'deflate', deflateRawSync(documentedBody)],
    ['garbage', 'br', Buffer.alloc(100, 0xff)],
  ])('%s: 415', async (_what, coding, body) => {
    const received = receiving()
    await post(received, coding, body).expect(415, 'body-encoding')
    expect([received.events, received.unreadable]).toEqual([[], []])
  })

  test('a request without a body has nothing to undo', async () => {
    await post(receiving(), 'gzip', Buffer.alloc(0)).expect(400, 'body-unreadable')
  })

  test('the signature is that of the body before it was compressed', async () => {
    const secret = 'secret'
    const body = JSON.stringify({
      deviceId: 'd',
      event: 'sms:received',
      id: 'e-1',
      payload: {
        messageId: 'm-1',
        message: 'Roses?',
        phoneNumber: '+61412345678',
        receivedAt: '2026-01-01T00:00:00Z',
      },
      webhookId: 'w',
    })
    const timestamp = String(Math.floor(Date.now() / 1000))
    const signed = (over: Buffer | string) =>
      createHmac('sha256', secret).update(over).update(timestamp).digest('hex')
    const received = receiving({ gateways: { phone: smsGate({ secret }) } })
    const compressed = gzipSync(body)
    const send = (signature: string) =>
      post(received, 'gzip', compressed, '/sms/phone')
        .type('json')
        .set({ 'x-timestamp': timestamp, 'x-signature': signature })
    await send(signed(body)).expect(200)
    await send(signed(compressed)).expect(401)
    expect(received.events).toMatchObject([{ text: 'Roses?' }])
  })

  test('a stranger has nothing inflated', async () => {
    const received = receiving()
    await post(received, 'gzip', Buffer.from('no gzip'), '/sms/pbx/wrong').expect(401)
  })
})
