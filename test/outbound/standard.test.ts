// The format `standard`, judged by the verifier of the specification's own authors.
import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { eventTypes } from '../../lib/event.ts'
import { standardFormat } from '../../lib/outbound/standard.ts'
import { smsEvent } from '../support/events.ts'

const secret = (bytes = 32) => `whsec_${randomBytes(bytes).toString('base64')}`
const hostile = `it's 5 < 6 & "quoted" 😀 مرحبا \u2028 \u0000`
const context = { url: 'https://crm.example.com/sms', serviceId: null, fallbackTo: null }

const compose = (secrets: string[], now = Date.now(), event = smsEvent({ text: hostile })) => ({
  event,
  request: standardFormat.compose(event, { ...context, secrets, now }),
})

test('what it posts is verified, and is the event', () => {
  const own = secret()
  const { event, request } = compose([own])
  expect(request.method).toBe('POST')
  expect(request.headers['content-type']).toBe('application/json')
  expect(new Webhook(own).verify(request.body, request.headers)).toEqual(event)
})

test('while secrets rotate, both are good', () => {
  const [retiring, coming] = [secret(), secret(24)]
  const { request } = compose([retiring, coming])
  expect(() => new Webhook(retiring).verify(request.body, request.headers)).not.toThrow()
  expect(() => new Webhook(coming).verify(request.body, request.headers)).not.toThrow()
  expect(() => new Webhook(secret()).verify(request.body, request.headers)).toThrow()
})

test('a changed body, id or time is not', () => {
  const own = secret()
  const { request } = compose([own])
  const later = String(Number(request.headers['webhook-timestamp']) + 1)
  const verify = (body: string, headers = {}) =>
    new Webhook(own).verify(body, { ...request.headers, ...headers })
  expect(() => verify(request.body.replace('5', '6'))).toThrow()
  expect(() => verify(request.body, { 'webhook-id': 'another' })).toThrow()
  expect(() => verify(request.body, { 'webhook-timestamp': later })).toThrow()
})

test('the id stays the same over tries, the time does not', () => {
  const own = secret()
  const event = smsEvent()
  const first = compose([own], 1_767_225_600_999, event).request.headers
  const second = compose([own], 1_767_225_605_000, event).request.headers
  expect(first['webhook-id']).toBe(event.id)
  expect(second['webhook-id']).toBe(event.id)
  expect([first['webhook-timestamp'], second['webhook-timestamp']]).toEqual(['1767225600', '1767225605'])
  expect(second['webhook-signature']).not.toBe(first['webhook-signature'])
})

test('it carries every kind of event and counts any 2xx', () => {
  expect(Object.keys(standardFormat.carries)).toEqual([...eventTypes])
  expect(standardFormat.policy).toMatchObject({ tries: 10, success: '2xx', endOn: [410] })
})

describe('secrets', () => {
  test.each([24, 32, 64])('of %i bytes will do', (bytes) => {
    expect(standardFormat.secretsFault([secret(bytes)])).toBeNull()
    expect(standardFormat.secretsFault([secret(bytes).replace('whsec_', '')])).toBeNull()
  })

  test('none are refused in words', () => {
    expect(standardFormat.secretsFault([])).toMatch(/write a `secret`/)
  })

  test.each([
    ['too short', secret(23)],
    ['too long', secret(65)],
    ['not base64', 'whsec_correct horse battery staple!'],
    ['url-safe base64', `whsec_${'-_'.repeat(20)}`],
    ['empty', 'whsec_'],
  ])('%s is refused in words that do not show it', (_name, wrong) => {
    const fault = standardFormat.secretsFault([secret(), wrong])
    expect(fault).toMatch(/24 to 64 bytes/)
    expect(fault).not.toContain(wrong.slice(7) || 'undefined')
  })
})
