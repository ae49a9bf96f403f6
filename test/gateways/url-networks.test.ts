// What the PBX posts, beyond the fixtures: times, repeats, the echoed token, and whom posts are taken from.
import request from 'supertest'
import { type UrlNetworksOptions, urlNetworks } from '../../lib/gateways/url-networks.ts'
import { documentedBody, hostApp, receiving, token, versions } from '../support/receiving.ts'

const open = (options: UrlNetworksOptions = { token }) => {
  const received = receiving({ gateways: { pbx: urlNetworks(options) } })
  const app = hostApp(versions[0]![1], ['/sms', received.router])
  const post = (body: string | Buffer, contentType = 'application/x-www-form-urlencoded', path = token) =>
    request(app)
      .post(`/sms/pbx/${path}`)
      .type(contentType)
      .serialize((data) => data)
      .send(Buffer.from(body as string))
  return { ...received, post }
}

describe('the posts of the PBX', () => {
  test.each([
    ['1576391654', '2019-12-15T06:34:14.000Z'],
    [' 1576391654.5 ', '2019-12-15T06:34:14.500Z'],
    ['1576391654000', null],
    ['0', null],
    ['-1', null],
    ['soon', null],
    ['', null],
    ['1e9', null],
    ['9'.repeat(400), null],
    ['4102444800', null],
  ])('the time %j is %j', async (timestamp, occurredAt) => {
    const { post, events } = open()
    await post(`message_id=m-1&timestamp=${encodeURIComponent(timestamp)}`).expect(200)
    expect(events[0]?.occurredAt).toBe(occurredAt)
  })

  test('without ids, the same post again is a repeat and a second "Yes" is not', async () => {
    const { post, events } = open()
    const yes = (rest: string) => post(`from=61412345678&sms_number=61298765432&body=Yes${rest}`).expect(200)
    for (const rest of ['&timestamp=1576391654', '&timestamp=1576391654', '&timestamp=1576391655'])
      await yes(rest)
    // Without a time of its own, better twice than never.
    for (const rest of ['', '', '&timestamp=0', '&timestamp=0']) await yes(rest)
    const identities = events.map(({ identity }) => identity)
    expect(identities[0]).toBe(identities[1])
    expect(new Set(identities).size).toBe(6)
    expect(events.at(-1)?.notes).toEqual(['identity:random'])
  })

  test.each([
    '',
    'a=b',
    '{"body":"Hi"}',
    'timestamp=1576391654&service_id=1&webhook_url=x',
    'body=&from=&message_id=',
  ])('%j has no message in it', async (body) => {
    const { post, events, unreadable } = open()
    await post(body).expect(400, 'body-unreadable')
    expect(events).toEqual([])
    expect(unreadable.map(({ request }) => String(request.body))).toEqual([body])
  })

  test('the token that the PBX echoes is in nothing that is handed on', async () => {
    const secret = 'se/cr?et+to ken'
    const echoes = [
      secret,
      encodeURIComponent(secret),
      encodeURIComponent(encodeURIComponent(secret)),
      new URLSearchParams({ x: secret }).toString().slice(2),
    ].map((echo) => encodeURIComponent(`https://u:${echo}@app.example.com/sms/pbx/${echo}?token=${echo}`))
    const received = open({ token: ['another-token', secret] })
    for (const echo of echoes) {
      const post = (body: string) => received.post(body, undefined, encodeURIComponent(secret))
      await post(`body=Hi&message_id=m-1&webhook_url=${echo}&${echo}=1`).expect(200)
      await post(`webhook_url=${echo}`).expect(400)
      await received.post(`body=Hi&webhook_url=${echo}`, undefined, 'wrong').expect(401)
    }
    const cut = 'https://u:***@app.example.com/sms/pbx/***?token=***'
    expect(received.events[0]?.raw).toEqual({ body: 'Hi', message_id: 'm-1', webhook_url: cut, [cut]: '1' })
    const { events, unreadable, rejections, logger } = received
    const bodies = unreadable.map(({ request }) => String(request.body))
    let all = JSON.stringify([events, unreadable, bodies, rejections, logger.lines])
    for (const _layer of [1, 2, 3, 4]) {
      expect(all).not.toContain('cr?et')
      all = decodeURIComponent(all)
    }
    expect(all).toContain('?token=***')
  })

  test('the text of a message is not touched, even where it holds the token', async () => {
    const { post, events } = open()
    await post(`body=${token}&message_id=m-1`).expect(200)
    expect(events[0]?.text).toBe(token)
  })

  test('a body may be 64 kB', async () => {
    const { post, events } = open()
    const body = 'message_id=m-1&body='
    await post(body + 'x'.repeat(65_536 - body.length)).expect(200)
    await post(body + 'x'.repeat(65_537 - body.length)).expect(413)
    expect(events).toHaveLength(1)
  })
})

describe('whom the gateway takes posts from', () => {
  test.each([
    ['+61298765432', '61298765432', 200],
    ['61298765432', '%2B61298765432', 200],
    ['+61 2 9876 5432', '+61298765432', 200],
    ['+61298765432', '61298765433', 401],
    ['+61298765432', '', 401],
    ['12345', '12345', 200],
    ['12345', '%2B12345', 200],
  ])('expecting the number %s, %s is answered %i', async (smsNumber, sent, status) => {
    await open({ token, smsNumber }).post(`body=Hi&message_id=m-1&sms_number=${sent}`).expect(status)
  })

  test('expecting a service', async () => {
    const { post } = open({ token, serviceId: '42' })
    await post('body=Hi&message_id=m-1&service_id=42').expect(200)
    await post('body=Hi&message_id=m-1&service_id=43').expect(401)
    await post('body=Hi&message_id=m-1').expect(401)
  })

  test('anyone, if that is written: the documented line works to the letter', async () => {
    const { router, events } = receiving({ gateways: { test: urlNetworks({ allowUnauthenticated: true }) } })
    await request(hostApp(versions[0]![1], ['/sms', router]))
      .post('/sms/test')
      .send(documentedBody)
      .expect(200)
    expect(events).toMatchObject([{ gateway: 'test', text: 'Test Message' }])
  })
})
