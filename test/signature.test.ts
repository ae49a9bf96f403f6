import { matchesAny, safeEqual } from '../lib/signature.ts'

describe('comparing secrets', () => {
  test.each([
    ['secret', 'secret', true],
    ['secret', 'Secret', false],
    ['secret', 'secret ', false],
    ['', '', true],
    ['', 'secret', false],
    ['sécret ☎', 'sécret ☎', true],
  ])('safeEqual(%j, %j) is %j', (a, b, expected) => {
    expect(safeEqual(a, b)).toBe(expected)
  })

  test('any one of several secrets will do', () => {
    const matches = matchesAny(['old', 'new'])
    expect(['old', 'new', 'oldnew', 'ol', ''].map(matches)).toEqual([true, true, false, false, false])
  })

  test('nothing matches no secrets', () => {
    expect(matchesAny([])('')).toBe(false)
  })
})
