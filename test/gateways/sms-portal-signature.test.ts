// What the signature of SMSPortal proves, and what the developer is told about wrong options.
import { createHmac } from 'node:crypto'
import { VerificationError } from '../../lib/errors.ts'
import { type SmsPortalOptions, smsPortal } from '../../lib/gateways/sms-portal.ts'
import { gatewayRequest } from '../../lib/inbound/request.ts'

const url = 'https://app.example.com/sms/portal'
const secret = 'a-signing-key'
const now = Date.UTC(2026, 1, 1)
const seconds = String(now / 1_000)
const body = '{"incomingId":1,"incomingData":"It’s me"}'

const mac = (text: string, key = secret, algorithm = 'sha256') => createHmac(algorithm, key).update(text)
const plain = `v1:${seconds}|POST|${url}|${body}`
const right = mac(plain).digest('hex')

type Sent = { method?: string; search?: string; body?: string; headers?: Record<string, string | undefined> }

/** The code of what is wrong with it, null for nothing; anything else that is thrown fails the test. */
const verify = async (
  { method = 'POST', search = '', body: text = body, headers }: Sent,
  options: Partial<SmsPortalOptions> = {},
): Promise<string | null> => {
  const gateway = smsPortal({ secret, signature: { url }, ...options })
  const sent = { 'x-timestamp': seconds, 'x-signature': right, ...headers }
  const bytes = { bytes: Buffer.from(text), parsed: undefined }
  try {
    await gateway.verify(
      gatewayRequest({ method, headers: sent } as never, { token: null, search }, bytes, now),
    )
    return null
  } catch (error) {
    expect(error).toBeInstanceOf(VerificationError)
    const { code, message } = error as VerificationError
    expect(message).not.toContain(secret)
    expect(message).not.toContain(right)
    return code
  }
}

test.each<[string, string, object]>([
  ['a time in ISO 8601', new Date(now).toISOString(), { timestampUnit: 'iso' }],
  ['base64url', seconds, { encoding: 'base64url' }],
  ['SHA-512', seconds, { algorithm: 'sha512' }],
  ['another text', seconds, { template: '{body}.{timestamp}' }],
])('%s can be told', async (_what, timestamp, options) => {
  const { encoding = 'hex', algorithm = 'sha256', template } = options as Record<string, never>
  const text = template ? `${body}.${timestamp}` : `v1:${timestamp}|POST|${url}|${body}`
  const signature = mac(text, secret, algorithm).digest(encoding)
  const headers = { 'x-timestamp': timestamp, 'x-signature': signature }
  expect(await verify({ headers }, { signature: { url, ...options } })).toBeNull()
  expect(await verify({ headers })).not.toBeNull()
})

describe('the signature', () => {
  test.each<[string, string | null, Sent]>([
    ['as it should be', null, {}],
    ['in upper case', null, { headers: { 'x-signature': right.toUpperCase() } }],
    ['none', 'signature-missing', { headers: { 'x-signature': undefined } }],
    ['an empty one', 'signature-missing', { headers: { 'x-signature': '' } }],
    ['no time', 'signature-missing', { headers: { 'x-timestamp': undefined } }],
    ['a time that is none', 'signature-malformed', { headers: { 'x-timestamp': 'soon' } }],
    ['a time with a sign', 'signature-malformed', { headers: { 'x-timestamp': `+${seconds}` } }],
    ['a time without end', 'signature-malformed', { headers: { 'x-timestamp': '9'.repeat(400) } }],
    ['no hex', 'signature-malformed', { headers: { 'x-signature': `${right.slice(1)}g` } }],
    ['too short', 'signature-malformed', { headers: { 'x-signature': right.slice(2) } }],
    ['too long', 'signature-malformed', { headers: { 'x-signature': `${right}00` } }],
    ['Base64', 'signature-malformed', { headers: { 'x-signature': mac(plain).digest('base64') } }],
    ['a prefix', 'signature-malformed', { headers: { 'x-signature': `v1=${right}` } }],
    [
      'another algorithm',
      'signature-malformed',
      { headers: { 'x-signature': mac(plain, secret, 'sha1').digest('hex') } },
    ],
    ['another key', 'signature-mismatch', { headers: { 'x-signature': mac(plain, 'b').digest('hex') } }],
    ['an empty key', 'signature-mismatch', { headers: { 'x-signature': mac(plain, '').digest('hex') } }],
    ['another body', 'signature-mismatch', { body: `${body} ` }],
    ['another method', 'signature-mismatch', { method: 'GET' }],
    ['another query', 'signature-mismatch', { search: '?status=DELIVRD' }],
    ['another time', 'signature-mismatch', { headers: { 'x-timestamp': String(Number(seconds) + 1) } }],
  ])('%s: %s', async (_what, code, sent) => {
    expect(await verify(sent)).toBe(code)
  })

  test.each([
    [300, null],
    [301, 'signature-stale'],
    [-300, null],
    [-301, 'signature-stale'],
  ])('made %i seconds ago: %s', async (age, code) => {
    const timestamp = String(now / 1_000 - age)
    const signature = mac(`v1:${timestamp}|POST|${url}|${body}`).digest('hex')
    expect(await verify({ headers: { 'x-timestamp': timestamp, 'x-signature': signature } })).toBe(code)
  })

  test('the time is believed only once the signature is right', async () => {
    expect(await verify({ headers: { 'x-timestamp': '1', 'x-signature': right } })).toBe('signature-mismatch')
  })

  test('any one of several secrets will do; blank ones are none', async () => {
    expect(await verify({}, { secret: ['another', secret] })).toBeNull()
    expect(await verify({}, { secret: [undefined, '', ` ${secret}\n`] })).toBeNull()
    expect(await verify({}, { secret: ['another', 'third'] })).toBe('signature-mismatch')
  })

  test('the query is signed as it came, whatever was configured behind the URL', async () => {
    const search = '?token=x&IncomingData=It%27s+%E2%80%99&a'
    const signature = mac(`v1:${seconds}|GET|${url}${search}|`).digest('hex')
    const sent = { method: 'GET', search, body: '', headers: { 'x-signature': signature } }
    expect(await verify(sent)).toBeNull()
    expect(await verify(sent, { signature: { url: `${url}?token=x#top` } })).toBeNull()
    expect(await verify({ ...sent, search: search.replace('+', '%20') })).toBe('signature-mismatch')
  })

  test('all of it can be otherwise', async () => {
    const signature = {
      url,
      header: 'X-Sig',
      timestampHeader: 'X-Time',
      encoding: 'base64',
      timestampUnit: 'ms',
      prefix: 'sha256=',
      toleranceMs: 500,
    } as const
    const sentAt = (at: number) => {
      const digest = mac(`v1:${at}|POST|${url}|${body}`).digest('base64')
      return { headers: { 'x-time': String(at), 'x-sig': `sha256=${digest}` } }
    }
    expect(await verify(sentAt(now - 500), { signature })).toBeNull()
    expect(await verify(sentAt(now - 501), { signature })).toBe('signature-stale')
    const bare = { headers: { 'x-time': seconds, 'x-sig': right } }
    expect(await verify(bare, { signature })).toBe('signature-malformed')
    const nothing = { headers: { 'x-time': seconds, 'x-sig': 'sha256=' } }
    expect(await verify(nothing, { signature })).toBe('signature-missing')
  })
})

describe('options of smsPortal', () => {
  test.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /`token` is undefined; is SMS_TOKEN set\?.*allowUnauthenticated: true/],
    ['a blank token', { token: ' ' }, /`token` is empty/],
    ['an unset secret', { token: 'x', secret: undefined, signature: { url } }, /`secret` is undefined/],
    ['a blank secret', { token: 'x', secret: ' ', signature: { url } }, /`secret` is empty/],
    ['a secret alone', { secret }, /`secret` wants `signature: \{ url \}`, the URL as it is reg/],
    ['no URL', { secret, signature: {} }, /`signature.url` is undefined; write the full public URL/],
    [
      'a path',
      { secret, signature: { url: '/sms' } },
      /`signature.url` is "\/sms"; write the full public URL/,
    ],
    ['a signature alone', { token: 'x', signature: { url } }, /`secret` wants .* and `signature` a `secret`/],
    ['another encoding', { secret, signature: { url, encoding: 'hexx' } }, /did you mean `hex`\?/],
    [
      'no tolerance',
      { secret, signature: { url, toleranceMs: 0 } },
      /`signature.toleranceMs` is 0; write mill/,
    ],
    [
      'no header',
      { secret, signature: { url, header: 'a b' } },
      /`signature.header` is "a b"; write the name/,
    ],
    [
      'a misspelt header',
      { secret, signature: { url, headr: 'a' } },
      /`signature.headr`.*did you mean `header`/,
    ],
    [
      'a zone that is none',
      { token: 'x', zone: 'Joburg' },
      /`zone` is "Joburg"; write an IANA time zone such as/,
    ],
    [
      'a field that is none',
      { token: 'x', fields: { txt: 'msg' } },
      /`fields.txt` is not an option; did you mean `text`/,
    ],
    [
      'a list of names',
      { token: 'x', fields: { text: ['a'] } },
      /`fields.text` is a list of 1; write the name in your template/,
    ],
  ])('%s', (_what, options, message) => {
    const create = () => smsPortal(options as SmsPortalOptions)
    expect(create).toThrow(
      expect.objectContaining({ code: 'options-invalid', message: expect.stringMatching(message) }),
    )
  })

  test.each<[SmsPortalOptions, object]>([
    [{ token: 'one' }, { tokens: ['one'], needsBytes: false, maxBytes: 65_536 }],
    [
      { secret, signature: { url } },
      { tokens: [], needsBytes: true },
    ],
    [{ token: 'one', fields: { link: undefined }, zone: undefined }, { needsBytes: false }],
    [{ allowUnauthenticated: true, secret: '', signature: { url } }, { needsBytes: false }],
  ])('%j is right', (options, expected) => {
    expect(smsPortal(options)).toMatchObject({ kind: 'smsPortal', methods: ['GET', 'POST'], ...expected })
  })
})
