// Which endpoints want an event.
import type { EventType, SmsEvent } from '../../lib/event.ts'
import { defaultWish, isWanted, type Wish } from '../../lib/outbound/select.ts'
import { address } from '../../lib/phone.ts'
import { smsEvent } from '../support/events.ts'

const wish = (fields: Partial<Wish>): Wish => ({ ...defaultWish, ...fields })
const receivedAt = (ours: string): SmsEvent => smsEvent({ to: address(ours), from: address('+61400000000') })

describe('kinds', () => {
  test.each<[Wish['events'], EventType, boolean]>([
    [defaultWish.events, 'message.received', true],
    [defaultWish.events, 'message.delivered', false],
    ['all', 'device.ping', true],
    [['message.failed', 'unknown'], 'unknown', true],
    [['message.failed', 'unknown'], 'message.received', false],
  ])('%p and %s: %p', (events, type, expected) => {
    expect(isWanted(wish({ events }), smsEvent({ type }))).toBe(expected)
  })
})

describe('numbers of ours', () => {
  test.each<[string, string, boolean]>([
    ['+61298765432', '+61298765432', true],
    ['+61 2 9876 5432', '61298765432', true],
    ['0061298765432', '+61298765432', true],
    ['61298765432', '+61298765433', false],
    ['1204', '1204', true],
    ['1204', '12041', false],
    ['SHOP', 'shop', true],
    ['SHOP', 'BANK', false],
    ['SHOP', '+61298765432', false],
    ['sms@example.com', 'sms@example.com', true],
    ['sms1@example.com', 'fax1@example.com', false],
  ])('wishes for %p find a message to %p: %p', (number, ours, expected) => {
    expect(isWanted(wish({ numbers: [number] }), receivedAt(ours))).toBe(expected)
  })

  test('the E.164 form counts where there is one', () => {
    const ours = { raw: '+61 (0)2 9876 5432', kind: 'e164', e164: '+61298765432' } as const
    expect(isWanted(wish({ numbers: ['+61298765432'] }), smsEvent({ to: ours }))).toBe(true)
  })

  test('any of several will do', () => {
    expect(isWanted(wish({ numbers: ['1204', '+61298765432'] }), receivedAt('+61298765432'))).toBe(true)
  })

  test('the other side is not ours', () => {
    const event = smsEvent({ from: address('+61298765432'), to: address('+61400000000') })
    expect(isWanted(wish({ numbers: ['+61298765432'] }), event)).toBe(false)
  })

  test('a status event has our number in `from`', () => {
    const event = smsEvent({
      type: 'message.sent',
      from: address('+61298765432'),
      to: address('+61400000000'),
    })
    expect(isWanted(wish({ events: 'all', numbers: ['+61298765432'] }), event)).toBe(true)
    expect(isWanted(wish({ events: 'all', numbers: ['+61400000000'] }), event)).toBe(false)
  })

  test('an event that does not say which number is not of it', () => {
    expect(isWanted(wish({ numbers: ['+61298765432'] }), smsEvent({ to: null }))).toBe(false)
    expect(isWanted(wish({}), smsEvent({ to: null }))).toBe(true)
  })
})
