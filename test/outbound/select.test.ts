// Which endpoints want an event.
import type { EventType, SmsEvent } from '../../lib/event.ts'
import { defaultWish, isKeyword, keywordIn, type Wish, wanting } from '../../lib/outbound/select.ts'
import { address } from '../../lib/phone.ts'
import { smsEvent } from '../support/events.ts'

const wish = (fields: Partial<Wish>): Wish => ({ ...defaultWish, ...fields })
const isWanted = (one: Wish, event: SmsEvent): boolean => wanting([{ wish: one }], event).length === 1
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
    // Nothing to compare is not the same as nothing.
    ['---', '☎', false],
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

describe('keywords', () => {
  test.each([
    ['foo', true],
    ['foo!', true],
    ['1', true],
    ['!!!', false],
    [' ', false],
    ['', false],
  ])('%j leaves something to compare: %j', (text, is) => {
    expect(isKeyword(text)).toBe(is)
  })

  test.each<[string, string, string | null]>([
    ['foo', 'Foo  hello', 'hello'],
    ['FOO', ' \n foo\thello  world ', 'hello  world '],
    ['foo', 'foo', ''],
    ['foo', 'Foo: hello', 'hello'],
    ['foo', 'Foo!', ''],
    ['foo', 'food', null],
    ['foo', 'hello foo', null],
    ['foo', '', null],
    ['foo bar', 'Foo   BAR baz', 'baz'],
    ['foo bar', 'foo', null],
    ['stra\u00dfe', 'STRA\u00dfE 7', '7'],
    ['1204', '1204 yes', 'yes'],
    ['.*', 'anything', null],
    ['foo!', 'Foo hello', 'hello'],
    ['foo', `foo${'!'.repeat(20)}`, null],
    ['foo', '\uff26\uff2f\uff2f hello', 'hello'],
  ])('%j in %j leaves %j', (keyword, text, rest) => {
    expect(keywordIn(text, [keyword])?.rest ?? null).toBe(rest)
  })

  test('the longest is the one, wherever it stands in the list', () => {
    for (const keywords of [
      ['foo', 'foo bar'],
      ['foo bar', 'foo'],
    ])
      expect(keywordIn('foo bar baz', keywords)).toEqual({ keyword: 'foo bar', rest: 'baz' })
    expect(keywordIn('hello', ['foo'])).toBeNull()
    expect(keywordIn(null, ['foo'])).toBeNull()
  })

  test('of several endpoints those with the longest get it, and all who want any text', () => {
    const endpoints = Object.entries({
      foo: ['foo'],
      'foo bar': ['foo bar', 'x'],
      'also foo bar': ['FOO  BAR'],
      other: ['bar'],
      any: null,
    }).map(([id, keywords]) => ({ id, wish: wish({ keywords }) }))
    const idsFor = (text: string | null) => wanting(endpoints, smsEvent({ text })).map(({ id }) => id)
    expect(idsFor('Foo bar baz')).toEqual(['foo bar', 'also foo bar', 'any'])
    expect(idsFor('Foo baz')).toEqual(['foo', 'any'])
    expect(idsFor('Hello')).toEqual(['any'])
    expect(idsFor(null)).toEqual(['any'])
  })

  test('an endpoint that does not want the event has no say in it', () => {
    const long = { wish: wish({ keywords: ['foo bar'], numbers: ['1204'] }) }
    const short = { wish: wish({ keywords: ['foo'] }) }
    expect(wanting([long, short], smsEvent({ text: 'foo bar' }))).toEqual([short])
  })

  test('a text of a million odd signs costs nothing', () => {
    // Each of these took minutes or hours with patterns that look again at every sign.
    for (const text of [' ', '!', '\ufdfa', 'a ', '. '])
      expect(keywordIn(`${text.repeat(1_000_000)}a`, ['foo bar', 'foo'])).toBeNull()
  })
})
