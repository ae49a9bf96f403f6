// From what a gateway read to an event.
import { completed, type Draft } from '../lib/draft.ts'

const home = (draft: Partial<Draft>, country?: Parameters<typeof completed>[1]) =>
  completed({ identity: 'm-1', ...draft }, country)

describe('what is left out', () => {
  test('is empty, and the event a received message', () => {
    expect(completed({ identity: 'm-1' })).toEqual({
      identity: 'm-1',
      type: 'message.received',
      from: null,
      to: null,
      text: null,
      media: [],
      intent: null,
      encrypted: false,
      messageId: null,
      reason: null,
      occurredAt: null,
      notes: [],
      raw: null,
    })
  })

  test.each<[string, Partial<Draft>]>([
    ['an empty identity', { identity: '' }],
    ['a forgotten identity', { identity: undefined }],
    ['an identity that is a list', { identity: ['1'] as never }],
    ['a kind that is none', { type: 'sms' as never }],
    ['a sender that is an object', { from: { number: '1' } as never }],
    ['a file without a type', { media: [{ url: 'https://x.example' }] as never }],
    ['a file that is a text', { media: ['https://x.example'] as never }],
    ['an intent that is none', { intent: 'maybe' as never }],
    ['a note that is a number', { notes: [7] as never }],
  ])('%s makes no event', (_what, draft) => {
    expect(() => home(draft)).toThrow(/^no event can be made of it: `/)
  })

  test('numbers are as good as texts', () => {
    const draft = { identity: 7, from: 61412345678, to: 1204, text: 42, messageId: 8 } as never
    expect(home(draft)).toMatchObject({
      identity: '7',
      from: { raw: '61412345678', e164: '+61412345678' },
      to: { raw: '1204', kind: 'short' },
      text: '42',
      messageId: '8',
    })
  })

  test('where the sender gives no id, what was said at a time stands for it, and else nothing does', () => {
    const said = (fields: Partial<Draft>) => home({ identity: null, raw: { text: 'Yes' }, ...fields })
    const occurredAt = '2026-01-01T00:00:00Z'
    const timed = said({ occurredAt, notes: ['plus'] })
    expect(timed).toMatchObject({ identity: said({ occurredAt }).identity, notes: ['plus', 'identity:hash'] })
    expect(said({ occurredAt, raw: { text: 'No' } }).identity).not.toBe(timed.identity)
    expect(said({}).identity).not.toBe(said({}).identity)
    expect(said({}).notes).toEqual(['identity:random'])
  })
})

test.each<[Partial<Draft>, string | null]>([
  [{ text: 'STOP' }, 'stop'],
  [{ text: 'STOP', type: 'message.sent' }, null],
  [{ text: 'STOP', encrypted: true }, null],
  [{ text: 'Hello', intent: 'help' }, 'help'],
])('the intent of %j is %j', (draft, intent) => {
  expect(home(draft).intent).toBe(intent)
})

test.each([
  ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z'],
  [new Date(0), '1970-01-01T00:00:00.000Z'],
  // Without a zone it is UTC, wherever this runs.
  ['2026-02-01 09:05:00', '2026-02-01T09:05:00.000Z'],
  ['12', null],
  [new Date('soon'), null],
  ['soon', null],
  [null, null],
])('the time %j is %j', (occurredAt, expected) => {
  expect(home({ occurredAt }).occurredAt).toBe(expected)
})

test('the bytes of files are kept once: in the media', () => {
  const media = [{ contentType: 'image/png', name: null, size: 3, data: 'iVBO', url: null }]
  const raw = { payload: { attachments: [{ data: 'iVBO', name: 'iVBOx' }], size: 3, data: null } }
  const before = structuredClone(raw)
  expect(home({ media, raw }).raw).toEqual({
    payload: { attachments: [{ data: '(in media)', name: 'iVBOx' }], size: 3, data: null },
  })
  expect(raw).toEqual(before)
  const empty = { ...media[0]!, data: '' }
  expect(home({ media: [empty], raw: { data: '' } }).raw).toEqual({ data: '' })
})

describe('the country of numbers without its code', () => {
  const numbers = (draft: Partial<Draft>, country?: Parameters<typeof completed>[1]) => {
    const { from, to } = home(draft, country)
    return [from?.e164 ?? from?.kind, to?.e164 ?? to?.kind]
  }

  test('is none, unless it is said', () => {
    expect(numbers({ from: '0412345678', to: '61298765432' })).toEqual(['national', '+61298765432'])
  })

  test('is the one that is said, for both', () => {
    expect(numbers({ from: '0412345678', to: '0298765432' }, 'AU')).toEqual(['+61412345678', '+61298765432'])
  })

  test.each([
    ['message.received', { from: '0412345678', to: '+61298765432' }, ['+61412345678', '+61298765432']],
    ['call.missed', { from: '0412345678', to: '+61298765432' }, ['+61412345678', '+61298765432']],
    ['message.sent', { from: '+61298765432', to: '0412345678' }, ['+61298765432', '+61412345678']],
    // Of the other side's number nothing is taken.
    ['message.sent', { from: '0298765432', to: '+61412345678' }, ['national', '+61412345678']],
    ['message.received', { from: '0412345678', to: '12345' }, ['national', 'short']],
    ['message.received', { from: '0412345678', to: null }, ['national', undefined]],
  ] as const)('is that of our number, of %s', (type, draft, expected) => {
    expect(numbers({ type, ...draft }, 'ours')).toEqual(expected)
  })

  test('does not touch what is an address already', () => {
    const from = { raw: 'Bob', kind: 'alpha', e164: null } as const
    expect(home({ from }, 'AU').from).toBe(from)
  })
})
