import { matchesAny } from '../lib/signature.ts'

describe('comparing secrets', () => {
  test('any one of several secrets will do', () => {
    const matches = matchesAny(['old', 'new'])
    expect(['old', 'new', 'oldnew', 'ol', ''].map(matches)).toEqual([true, true, false, false, false])
  })

  test('nothing matches no secrets', () => {
    expect(matchesAny([])('')).toBe(false)
  })
})
