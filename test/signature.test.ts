// Proving where a request came from.
import { createHmac } from 'node:crypto'
import { matchesAny, signJwt, signMac, verifyFresh, verifyJwt, verifyMac } from '../lib/signature.ts'

/** The code and the words of what is thrown. */
const faultOf = async (verify: () => unknown) => {
  try {
    await verify()
  } catch (error) {
    const { name, code, message } = error as Error & { code: string }
    return { name, code, message }
  }
  return null
}

describe('comparing secrets', () => {
  test('any one of several secrets will do', () => {
    const matches = matchesAny(['old', 'new', 'sécret ☎'])
    const candidates = ['old', 'new', 'sécret ☎', 'oldnew', 'Old', 'old ', '']
    expect(candidates.map(matches)).toEqual([true, true, true, false, false, false, false])
  })

  test('nothing matches no secrets', () => {
    expect(matchesAny([])('')).toBe(false)
  })
})

describe('an HMAC', () => {
  const body = Buffer.from([0xff, 0x00, 0x27])
  const macOf = (secret: string, algorithm = 'sha256') =>
    createHmac(algorithm, secret).update(body).update('1700000000').digest()
  const parts = [body, '1700000000']
  const verify = (signature: string | undefined, more = {}) =>
    faultOf(() => verifyMac(signature, { secrets: ['old', 'new'], parts, ...more }))

  test('under any of the secrets is right, in either case', async () => {
    expect(await verify(macOf('old').toString('hex'))).toBeNull()
    expect(await verify(macOf('new').toString('hex').toUpperCase())).toBeNull()
  })

  test('in other encodings and algorithms is right where that is said', async () => {
    const signature = macOf('new', 'sha1').toString('base64')
    expect(await verify(signature, { algorithm: 'sha1', encoding: 'base64' })).toBeNull()
    expect(await verify(signature)).toMatchObject({ code: 'signature-malformed' })
  })

  test.each([
    ['nothing', undefined, 'signature-missing'],
    ['an empty text', '', 'signature-missing'],
    ['no hex', 'x'.repeat(64), 'signature-malformed'],
    ['hex with an end that is none', `${'a'.repeat(62)}zz`, 'signature-malformed'],
    ['too short', 'ab', 'signature-malformed'],
    ['too long', 'ab'.repeat(64), 'signature-malformed'],
    ['base64 of the right size', macOf('old').toString('base64'), 'signature-malformed'],
    ['that of another body', createHmac('sha256', 'old').update('x').digest('hex'), 'signature-mismatch'],
    ['that under another secret', macOf('other').toString('hex'), 'signature-mismatch'],
  ])('%s is refused', async (_what, signature, code) => {
    expect(await verify(signature)).toMatchObject({ name: 'VerificationError', code })
  })

  test('under an empty secret, or under none, is never right', async () => {
    const signature = macOf('').toString('hex')
    for (const secrets of [[''], []])
      expect(await verify(signature, { secrets })).toMatchObject({ code: 'signature-mismatch' })
  })

  test('is what it makes itself', async () => {
    expect(signMac('old', { parts })).toBe(macOf('old').toString('hex'))
    expect(signMac('old', { parts, encoding: 'base64' })).toBe(macOf('old').toString('base64'))
  })
})

test.each([
  [0, null],
  [300_000, null],
  [-300_000, null],
  [301_000, 'the signature was made 301 seconds ago; 300 are allowed'],
  [-3_600_000, 'the signature was made 3600 seconds ahead of the clock here; 300 are allowed'],
])('a signature that is %i ms old: %j', async (age, message) => {
  const now = Date.UTC(2026, 0, 1)
  const fault = await faultOf(() => verifyFresh(now - age, now, 300_000))
  expect(fault).toEqual(message && { name: 'VerificationError', code: 'signature-stale', message })
})

describe('a JSON Web Token', () => {
  const now = Date.UTC(2026, 0, 1)
  const seconds = now / 1_000
  const claims = { iss: 'api', sub: 'u-1', aud: ['https://a'], exp: seconds + 600, nbf: seconds - 600 }
  const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  /** Made by hand, so that what is made wrong can be made. */
  const made = (payload: object, { alg = 'HS256', hash = 'sha256', secret = 'old' } = {}) => {
    const text = `${base64url({ alg, typ: 'JWT' })}.${base64url(payload)}`
    return `${text}.${createHmac(hash, secret).update(text).digest('base64url')}`
  }
  const verify = (token: string | undefined, more = {}) =>
    faultOf(() => verifyJwt(token, { secrets: ['old', 'new'], now, leewayMs: 60_000, ...more }))

  test('gives its claims', async () => {
    const options = {
      secrets: ['new', 'old'],
      now,
      issuer: 'api',
      audience: 'https://a',
      required: ['exp', 'nbf'],
    }
    expect(await verifyJwt(made(claims), options)).toEqual(claims)
    expect(await verifyJwt(made({ id: 7, text: '☎' }), { secrets: ['old'], now })).toEqual({
      id: 7,
      text: '☎',
    })
  })

  test('is what it makes itself, the claims in their order', async () => {
    expect(await signJwt(claims, 'old')).toBe(made(claims))
  })

  const unsigned = `${base64url({ alg: 'none' })}.${base64url(claims)}.`
  const strange = `${base64url([])}.${base64url(claims)}.AAAA`
  test.each<[string, string | undefined, string, RegExp, object?]>([
    ['nothing', undefined, 'signature-missing', /no token/],
    ['an empty text', '', 'signature-missing', /no token/],
    ['no token', 'hello', 'signature-malformed', /no JSON Web Token/],
    ['dots', '..', 'signature-malformed', /no JSON Web Token/],
    ['a header that is a list', strange, 'signature-malformed', /no JSON Web Token/],
    ['a payload that is a list', made([] as never), 'signature-malformed', /no JSON Web Token/],
    ['the algorithm none', unsigned, 'signature-mismatch', /another algorithm than HS256/],
    ['HS512', made(claims, { alg: 'HS512', hash: 'sha512' }), 'signature-mismatch', /another algorithm/],
    [
      'a secret that is none of ours',
      made(claims, { secret: 'x' }),
      'signature-mismatch',
      /none of the secrets/,
    ],
    ['an empty secret', made(claims, { secret: '' }), 'signature-mismatch', /none/, { secrets: [''] }],
    ['no secrets', made(claims), 'signature-mismatch', /none of the secrets/, { secrets: [] }],
    ['expired', made({ ...claims, exp: seconds - 100 }), 'signature-stale', /expired 100 seconds ago/],
    [
      'not yet valid',
      made({ ...claims, nbf: seconds + 100 }),
      'signature-stale',
      /valid only in 100 seconds/,
    ],
    ['another issuer', made(claims), 'signature-mismatch', /`iss` is missing or another/, { issuer: 'b' }],
    ['another audience', made(claims), 'signature-mismatch', /`aud`/, { audience: 'https://b' }],
    ['without a claim', made({ iss: 'api' }), 'signature-mismatch', /`exp`/, { required: ['exp'] }],
    ['with a claim of another kind', made({ exp: 'soon' }), 'signature-mismatch', /`exp`/],
    ['expired, under the second secret', made({ exp: 1 }, { secret: 'new' }), 'signature-stale', /expired/],
  ])('%s is refused', async (_what, token, code, message, ...[more]) => {
    const fault = await verify(token, more)
    expect(fault).toMatchObject({ name: 'VerificationError', code, message: expect.stringMatching(message) })
  })

  test('may be off by the leeway', async () => {
    expect(await verify(made({ ...claims, exp: seconds - 50, nbf: seconds + 50 }))).toBeNull()
  })
})
