import fc from 'fast-check'
import { addressSchema } from '../lib/event.ts'
import { address, type Country, countryOf, isCountry } from '../lib/phone.ts'

describe('address', () => {
  test.each([
    ['+61412345678', '+61412345678'],
    ['61412345678', '+61412345678'],
    ['0061412345678', '+61412345678'],
    ['+61 (412) 345-678', '+61412345678'],
    [' +61412345678 ', '+61412345678'],
    ['+610412345678', '+61412345678'],
    ['442079460000', '+442079460000'],
    ['12025550123', '+12025550123'],
    ['٦١٤١٢٣٤٥٦٧٨', '+61412345678'],
  ])('%j is the number %s', (raw, e164) => {
    expect(address(raw)).toEqual({ raw, kind: 'e164', e164 })
  })

  test.each([
    // Possible by their lengths, but no such numbers: never converted.
    ['447700900123', 'unknown'],
    ['+447700900123', 'unknown'],
    ['19881988', 'short'],
    ['12345', 'short'],
    ['131 450', 'short'],
    // 491102 would be valid in Germany, but E.164 begins at seven digits.
    ['491102', 'short'],
    ['0412 345 678', 'national'],
    ['(02) 9876 5432', 'national'],
    ['00000000000', 'unknown'],
    ['1234567890123456789', 'unknown'],
    ['ACME', 'alpha'],
    ['Bob & Co 24', 'alpha'],
    ['Müller', 'alpha'],
    ['中文', 'alpha'],
    ['+1 800 FLOWERS', 'alpha'],
    ['@bob', 'alpha'],
    ['bob@example.com', 'email'],
    ['', 'unknown'],
    ['+', 'unknown'],
    ['☎', 'unknown'],
    ['1'.repeat(70_000), 'unknown'],
  ])('%j is %s', (raw, kind) => {
    expect(address(raw)).toEqual({ raw, kind, e164: null })
  })

  test('the same text has the same answer, however many others were asked for in between', () => {
    const first = address('+61412345678')
    for (let count = 0; count < 1_500; count += 1) address(String(count))
    expect(address('+61412345678')).toEqual(first)
  })

  test('never throws, keeps the text, and says E.164 exactly when it gives one', () => {
    const raw = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[+0-9 ().-]{0,20}$/))
    fc.assert(
      fc.property(raw, (text) => {
        const result = addressSchema.parse(address(text))
        expect(result.raw).toBe(text)
        expect(result.e164 !== null).toBe(result.kind === 'e164')
        if (result.e164 !== null) expect(result.e164).toMatch(/^\+\d{7,15}$/)
      }),
    )
  })
})

describe('a number without its country', () => {
  test.each<[string, Country, string]>([
    ['0412345678', 'AU', '+61412345678'],
    ['61412345678', 'AU', '+61412345678'],
    ['(02) 9876 5432', 'AU', '+61298765432'],
    // Washington, not Egypt.
    ['2025550123', 'US', '+12025550123'],
    // Numbers from abroad stay what they are.
    ['442079460000', 'AU', '+442079460000'],
    ['00442079460000', 'AU', '+442079460000'],
    ['+442079460000', 'AU', '+442079460000'],
  ])('%s, at home in %s, is %s', (raw, country, e164) => {
    expect(address(raw, country)).toEqual({ raw, kind: 'e164', e164 })
  })

  test.each<[string, Country, string]>([
    // Only valid numbers are converted: these would be possible by their lengths.
    ['447700900123', 'AU', 'unknown'],
    ['19881988', 'AU', 'short'],
    ['12345', 'AU', 'short'],
    ['0112345678', 'AU', 'national'],
    ['ACME', 'AU', 'alpha'],
    ['bob@example.com', 'AU', 'email'],
  ])('%s, at home in %s, is %s', (raw, country, kind) => {
    expect(address(raw, country)).toEqual({ raw, kind, e164: null })
  })

  test('is never taken for a name that looks like a country and a number', () => {
    expect(address('DK 20123457').kind).toBe('alpha')
    expect(address('20123457', 'DK')).toEqual({ raw: '20123457', kind: 'e164', e164: '+4520123457' })
  })

  test('of one country is not remembered for another', () => {
    const kinds = [undefined, 'AU', 'GB', undefined] as const
    expect(kinds.map((country) => address('0412345678', country).e164)).toEqual([
      null,
      '+61412345678',
      null,
      null,
    ])
  })
})

test('the country of a number, where it has one', () => {
  const countries = ['+61412345678', '+12025550123', '+870776123456', '12345', 'ACME'].map((raw) =>
    countryOf(address(raw)),
  )
  expect(countries).toEqual(['AU', 'US', undefined, undefined, undefined])
  expect(['AU', 'au', 'XX', '', null, 61].map(isCountry)).toEqual([true, false, false, false, false, false])
})
