import fc from 'fast-check'
import { createRedactor } from '../../lib/inbound/redact.ts'

const token = 'Gr\u00fc\u00df e/+?&%.*'

/** The ways in which a URL in a form can hold it. */
const disguises: [string, (text: string) => string][] = [
  ['as it is', (text) => text],
  ['percent-encoded', encodeURIComponent],
  [
    'percent-encoded in lower case',
    (text) => encodeURIComponent(text).replace(/%../g, (hex) => hex.toLowerCase()),
  ],
  ['percent-encoded twice', (text) => encodeURIComponent(encodeURIComponent(text))],
  ['percent-encoded three times', (text) => [1, 2, 3].reduce((value) => encodeURIComponent(value), text)],
  ['as in a form', (text) => new URLSearchParams({ x: text }).toString().slice(2)],
  [
    'every character encoded',
    (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16)}`).join(''),
  ],
  ['in parts encoded', (text) => text.replace('/', '%2F').replace('?', '%253f')],
]

describe('createRedactor', () => {
  const redactor = createRedactor([token, 'short', 'short-and-long'])

  test.each(disguises)('cuts a token %s from texts and bytes', (_how, disguise) => {
    const text = `https://x/sms/${disguise(token)}/y?token=${disguise(token)}`
    expect(redactor.text(text)).toBe('https://x/sms/***/y?token=***')
    expect(redactor.bytes(Buffer.from(text)).toString()).toBe('https://x/sms/***/y?token=***')
  })

  test('cuts the longer of two tokens whole', () => {
    expect(redactor.text('short-and-long short')).toBe('*** ***')
  })

  test('bytes that are no text stay as they are', () => {
    const bytes = Buffer.from([0x80, 0xff, 0x00, ...Buffer.from('short'), 0xc3])
    expect(redactor.bytes(bytes)).toEqual(Buffer.from([0x80, 0xff, 0x00, ...Buffer.from('***'), 0xc3]))
  })

  test('goes into lists and objects, names included, and leaves the original alone', () => {
    const original = { a: ['short', 1, null, { 'x-short': true }], __b: 'none' }
    const before = structuredClone(original)
    expect(redactor.value(original)).toEqual({ a: ['***', 1, null, { 'x-***': true }], __b: 'none' })
    expect(original).toEqual(before)
  })

  test('hostile names are names', () => {
    const value = redactor.value(JSON.parse('{"__proto__":{"x":"short"}}')) as object
    expect(JSON.stringify(value)).toBe('{"__proto__":{"x":"***"}}')
    expect(({} as Record<string, unknown>).x).toBeUndefined()
  })

  test('a body of nothing but brackets does not end the stack', () => {
    const depth = 100_000
    const text = JSON.stringify(redactor.value(JSON.parse('['.repeat(depth) + ']'.repeat(depth))))
    expect(text).toMatch(/^\[+"\*\*\*"\]+$/)
  })

  test('without tokens everything stays, the empty text too', () => {
    const none = createRedactor([])
    const value = { a: 'short' }
    expect(none.value(value)).toEqual(value)
    expect(none.text('')).toBe('')
  })

  test('no token is left in any text that holds one', () => {
    const secret = fc.string({ minLength: 6, maxLength: 12 }).filter((text) => !/^\*+$/.test(text))
    const disguise = fc.constantFrom(...disguises.map(([, each]) => each))
    fc.assert(
      fc.property(secret, disguise, fc.string(), fc.string(), (text, change, before, after) => {
        const cut = createRedactor([text]).text(before + change(text) + after)
        expect(cut).not.toContain(change(text))
      }),
    )
  })
})
