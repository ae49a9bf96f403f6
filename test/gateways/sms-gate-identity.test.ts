// Which posts of SMS Gateway for Android are one event, and which are not.
import type { GatewayRequest } from '../../lib/gateway.ts'
import { type SmsGateOptions, smsGate } from '../../lib/gateways/sms-gate.ts'

const message = {
  message: 'Hi',
  receivedAt: '2025-12-31T23:59:58.000Z',
  messageId: '1f2e3d4c',
  phoneNumber: '+12025550199',
  sender: '+12025550199',
}
const yes = { ...message, message: 'Yes' }
const no = { ...message, message: 'No' }

const post = (fields: object = {}) => ({
  deviceId: 'phone-1',
  event: 'sms:received',
  id: 'e-1',
  payload: message,
  ...fields,
})
const batch = (...messages: object[]) => post({ event: 'sms:batch:received', payload: { messages } })

const identities = (options: Partial<SmsGateOptions>, ...posts: object[]) => {
  const gateway = smsGate({ allowUnauthenticated: true, ...options })
  const parse = (body: object) => gateway.parse({ json: () => body } as GatewayRequest)
  return posts.flatMap(parse).map(({ identity }) => identity)
}
const count = (all: readonly string[]) => new Set(all).size

describe('what makes two posts one', () => {
  test('the id of the post, for each device', () => {
    const posts = [post(), post({ id: 'e-2' }), post({ deviceId: 'phone-2' }), post({ deviceId: null })]
    const [first, ...rest] = identities({}, ...posts)
    expect(count([first!, ...rest])).toBe(4)
    expect(identities({}, post({ payload: yes }))).toEqual([first])
  })

  test('no device can take the identities of another by what it calls itself', () => {
    const posts = [
      post({ deviceId: 'a', id: 'b:c' }),
      post({ deviceId: 'a:b', id: 'c' }),
      post({ deviceId: 'a","b', id: 'c' }),
    ]
    expect(count(identities({}, ...posts))).toBe(3)
  })

  test('on request, the message', () => {
    const posts = [
      post(),
      post({ id: 'e-2' }),
      post({ payload: { ...message, receivedAt: '2026-01-01T01:59:58.000+02:00' } }),
      batch(message),
      post({ payload: { ...message, receivedAt: '2025-12-31T23:59:59.000Z' } }),
      post({ deviceId: 'phone-2' }),
      // What does not say which message it is about is known by its own id.
      post({ id: 'e-3', payload: { ...message, messageId: null } }),
      post({ id: 'e-4', payload: { ...message, receivedAt: null } }),
      post({ id: 'e-5', event: 'sms:sent' }),
      post({ id: 'e-6', event: 'sms:sent' }),
    ]
    const [first, ...rest] = identities({ identifyBy: 'message' }, ...posts)
    expect(rest.slice(0, 3)).toEqual([first, first, first])
    expect(count([first!, ...rest])).toBe(7)
    expect(count(identities({}, ...posts))).toBe(8)
  })

  test('in a batch, what each says, wherever it stands; two alike are two', () => {
    const known = identities({}, batch(yes, no, yes))
    expect(count(known)).toBe(3)
    expect(identities({}, batch(yes, yes, no)).toSorted()).toEqual(known.toSorted())
    const more = identities({}, batch(no, message, yes, yes))
    expect(more).toEqual(expect.arrayContaining(known))
    expect(count(more)).toBe(4)
  })

  test('a batch with another id is another', () => {
    expect(count(identities({}, batch(yes), { ...batch(yes), id: 'e-2' }))).toBe(2)
    expect(count(identities({}, batch(yes), { ...batch(yes), deviceId: 'phone-2' }))).toBe(2)
  })

  test('without an id, what the post says', () => {
    const posts = [post({ id: null }), post({ id: null }), post({ id: null, payload: yes })]
    const [first, again, other] = identities({}, ...posts)
    expect(again).toBe(first)
    expect(other).not.toBe(first)
  })
})
