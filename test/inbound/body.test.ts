// Forms and JSON, well written and not.
import fc from 'fast-check'
import { decodeForm, decodeJson, formOf } from '../../lib/inbound/body.ts'

const bytes = (text: string) => Buffer.from(text, 'latin1')
const read = (body: Buffer, contentType?: string) => {
  const { fields, notes } = decodeForm(body, contentType)
  return { fields: { ...fields }, notes }
}

describe('decodeForm', () => {
  test.each([
    ['a=b&c=d', { a: 'b', c: 'd' }],
    ['', {}],
    ['&&', {}],
    ['a', { a: '' }],
    ['a=', { a: '' }],
    ['=a', { '': 'a' }],
    ['a=b=c', { a: 'b=c' }],
    ['a+b=c+%2B+d', { 'a b': 'c + d' }],
    ['url=https://x:1/@y?z;w', { url: 'https://x:1/@y?z;w' }],
    ['%61=%62', { a: 'b' }],
    ['a=%C3%A9%e2%98%8e', { a: 'é☎' }],
    ['a=50%&b=%zz%4&c=%', { a: '50%', b: '%zz%4', c: '%' }],
    ['a=%é%2', { a: '%é%2' }],
    ['a=%C3%A9%zz', { a: 'é%zz' }],
    ['a=%00%0A', { a: '\0\n' }],
    ['a=%EF%BB%BFb', { a: '\ufeffb' }],
  ])('%j', (body, fields) => {
    expect(read(Buffer.from(body))).toEqual({ fields, notes: [] })
  })

  test.each([
    ['raw bytes', 'a=caf\xe9+\x93x\x94', undefined, { a: 'café “x”' }, 'windows-1252'],
    ['escaped bytes', 'a=caf%E9+%93x%94', undefined, { a: 'café “x”' }, 'windows-1252'],
    ['both', 'a=%E9\xe9', undefined, { a: 'éé' }, 'windows-1252'],
    [
      'a declared charset',
      'a=%82%A0\x82\xa0',
      'application/x-www-form-urlencoded; charset=Shift_JIS',
      { a: 'ああ' },
      'shift_jis',
    ],
    ['a quoted charset', 'a=%C1', 'a/b;charset="iso-8859-7"', { a: 'Α' }, 'iso-8859-7'],
    ['iso-8859-1, as browsers read it', 'a=%80', 'a/b; charset=iso-8859-1', { a: '€' }, 'windows-1252'],
    ['UTF-8 declared but not sent', 'a=%E9', 'a/b; charset=utf-8', { a: 'é' }, 'windows-1252'],
    ['a charset nobody knows', 'a=%E9', 'a/b; charset=klingon', { a: 'é' }, 'windows-1252'],
    [
      'a text cut in mid-emoji',
      'a=%F0%9F%8C&b=%F0%9F%8C%B9',
      undefined,
      { a: 'ðŸŒ', b: '🌹' },
      'windows-1252',
    ],
    ['one field of two', 'a=\xe9&b=%C3%A9', undefined, { a: 'é', b: 'é' }, 'windows-1252'],
    ['a name', 'caf%E9=1', undefined, { café: '1' }, 'windows-1252'],
  ])('another charset: %s', (_what, body, contentType, fields, label) => {
    expect(read(bytes(body), contentType)).toEqual({ fields, notes: [`charset:${label}`] })
  })

  test('UTF-8 is UTF-8 whatever is declared', () => {
    expect(read(Buffer.from('a=é%C3%A9'), 'a/b; charset=shift_jis')).toEqual({
      fields: { a: 'éé' },
      notes: [],
    })
  })

  test('the first of several wins', () => {
    expect(read(bytes('a=1&b=2&a=3&a=4'))).toEqual({ fields: { a: '1', b: '2' }, notes: ['duplicate'] })
    expect(read(bytes('a=&a=3'))).toEqual({ fields: { a: '' }, notes: ['duplicate'] })
  })

  test('hostile names are names', () => {
    const { fields, notes } = decodeForm(bytes('__proto__=x&constructor=y&toString=z'))
    expect(Object.getPrototypeOf(fields)).toBeNull()
    expect(Object.entries(fields)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
      ['toString', 'z'],
    ])
    expect(notes).toEqual([])
  })

  test('what comes after a thousand fields is left out', () => {
    const body = Array.from({ length: 1_001 }, (_, index) => `f${index}=${index}`).join('&')
    const { fields, notes } = decodeForm(bytes(body))
    expect(Object.keys(fields)).toHaveLength(1_000)
    expect(notes).toEqual(['truncated'])
  })

  test('never throws, whatever the bytes and the declared charset', () => {
    const soup = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 3 }),
        fc.constantFrom('%', '%E9', '%zz', '&', '=', '+', 'é').map((text) => Buffer.from(text)),
      ),
      { maxLength: 40 },
    )
    const declared = fc.constantFrom(
      undefined,
      'a/b;charset=utf-16',
      'a/b;charset=gbk',
      'a/b; charset=',
      'charset',
    )
    fc.assert(
      fc.property(soup, declared, (parts, contentType) => {
        for (const value of Object.values(decodeForm(Buffer.concat(parts), contentType).fields))
          expect(typeof value).toBe('string')
      }),
    )
  })

  test('reads what URLSearchParams writes, and as URLSearchParams reads it', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 })
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name }), (pairs) => {
        const { fields, notes } = decodeForm(Buffer.from(new URLSearchParams(pairs).toString()))
        expect(Object.entries(fields).sort()).toEqual([...pairs].sort())
        expect(notes).toEqual([])
      }),
    )
    // No other hex digits, which would make escapes of no UTF-8, and ASCII only: at a broken escape beside
    // other letters, Node's URLSearchParams loses them.
    const letter = fc.constantFrom('x', '%F0%9F%8C%B9', '%', '%4', '%41', '%C3%A9', '+', '=', ' ', '/', '\0')
    fc.assert(
      fc.property(fc.array(letter, { maxLength: 20 }), (letters) => {
        const body = `x=${letters.join('')}`
        expect(decodeForm(Buffer.from(body)).fields.x).toBe(new URLSearchParams(body).get('x'))
      }),
    )
  })
})

describe('formOf', () => {
  test.each([
    [
      { a: '1', b: ['2', '3'], c: { d: '4' }, e: 5, f: [{}, 'g'], h: [] },
      { a: '1', b: '2', f: 'g' },
      ['duplicate'],
    ],
    [{ a: '1' }, { a: '1' }, []],
    [[], {}, []],
  ])('%j', (body, fields, notes) => {
    const form = formOf(body)
    expect({ ...form.fields }).toEqual(fields)
    expect(form.notes).toEqual(notes)
  })
})

describe('decodeJson', () => {
  test('reads JSON, with a byte order mark too', () => {
    expect(decodeJson(Buffer.from('\ufeff{"a":"☎"}'))).toEqual({ a: '☎' })
  })

  test('says no word of what it could not read', () => {
    expect(() => decodeJson(Buffer.from('secret text'))).toThrow(
      expect.objectContaining({ code: 'body-unreadable', message: 'the body is not JSON' }),
    )
  })
})

describe('JSON that nests', () => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  test.each([
    ['as deep as any message', nested(32)],
    ['brackets in a text', `{"a":"${'['.repeat(100)}"}`],
    ['brackets behind an escaped quote', `{"a":"\\"${'{'.repeat(100)}"}`],
    ['many lists one after the other', `[${'[],'.repeat(100)}[]]`],
  ])('%s is read', (_what, text) => {
    expect(decodeJson(Buffer.from(text))).toEqual(JSON.parse(text))
  })

  test.each([
    ['deeper', nested(33)],
    ['without end', '{"a":'.repeat(100_000)],
    ['behind a text that ends in a backslash', `["\\\\",${nested(33)}]`],
  ])('%s is refused before it takes memory', (_what, text) => {
    expect(() => decodeJson(Buffer.from(text))).toThrow('nests deeper than any message does')
  })
})
