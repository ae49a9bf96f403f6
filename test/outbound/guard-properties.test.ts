// Any address in any spelling: what is not public is refused, what is public is not, and a name is only as
// good as the worst of its addresses.
import fc from 'fast-check'
import { createGuard, type Resolve } from '../../lib/outbound/guard.ts'

const guard = createGuard()

/** As they are written down at IANA, and so independent of the library that classifies for us. */
const closed = [
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24',
  '192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4',
].flatMap((line) => line.split(' '))
/** Public by IANA but for no use of ours: AS112 and AMT; the library refuses them too. */
const special = ['192.31.196.0/24', '192.52.193.0/24', '192.175.48.0/24']

type Range = { first: number; last: number }
const rangeOf = (cidr: string): Range => {
  const [base, bits] = cidr.split('/') as [string, string]
  const first = Buffer.from(base.split('.').map(Number)).readUInt32BE()
  return { first, last: first + 2 ** (32 - Number(bits)) - 1 }
}
const isIn = (ranges: Range[], ip: number) => ranges.some(({ first, last }) => ip >= first && ip <= last)

const closedRanges = closed.map(rangeOf)
const closedIp = fc
  .constantFrom(...closedRanges)
  .chain(({ first, last }) => fc.oneof(fc.integer({ min: first, max: last }), fc.constantFrom(first, last)))
const publicIp = fc
  .integer({ min: 0, max: 2 ** 32 - 1 })
  .filter((ip) => !isIn([...closedRanges, ...special.map(rangeOf)], ip))

const bytesOf = (ip: number): number[] => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(ip)
  return [...bytes]
}
const words = (bytes: readonly number[]) =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/(.{4})(?=.)/, '$1:')

const base = fc.constantFrom<(n: number) => string>(
  String,
  (n) => `0${n.toString(8)}`,
  (n) => `0x${n.toString(16)}`,
  (n) => `0X${n.toString(16).toUpperCase()}`,
  (n) => `0x000${n.toString(16)}`,
)
const digits = fc.constantFrom<(text: string) => string>(
  (text) => text,
  (text) => text.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
  (text) => text.replace(/[.\d]/g, (character) => `%${character.charCodeAt(0).toString(16)}`),
  (text) => text.replaceAll('.', '。'),
)

/** One to four parts, of which the last takes what is left, each in its own base. */
const four = fc
  .record({
    parts: fc.integer({ min: 1, max: 4 }),
    bases: fc.tuple(base, base, base, base),
    digits,
    dot: fc.boolean(),
  })
  .map(({ parts, bases, digits, dot }) => (ip: number) => {
    const bytes = bytesOf(ip)
    const rest = bytes.slice(parts - 1).reduce((sum, byte) => sum * 256 + byte, 0)
    const written = [...bytes.slice(0, parts - 1), rest].map((part, index) => bases[index]!(part))
    return digits(`${written.join('.')}${dot ? '.' : ''}`)
  })
const six = fc.constantFrom<(ip: number) => string>(
  (ip) => `[::ffff:${words(bytesOf(ip))}]`,
  (ip) => `[::FFFF:${bytesOf(ip).join('.')}]`,
  (ip) => `[0:0:0:0:0:ffff:${words(bytesOf(ip))}]`,
  (ip) => `[64:ff9b::${words(bytesOf(ip))}]`,
  (ip) => `[2002:${words(bytesOf(ip))}::1]`,
  (ip) => `[2001:0:808:808::${words(bytesOf(ip).map((byte) => byte ^ 0xff))}]`,
)
const around = fc.record({
  before: fc.constantFrom(
    'http://',
    'HTTPS://',
    'http:\\\\',
    'http:/',
    'http://u:p@',
    'http://8.8.8.8@',
    'http:\t//',
  ),
  after: fc.constantFrom('', '/', ':80/', ':65535/x?y', '?@8.8.8.8', '#@8.8.8.8', '\\@8.8.8.8/'),
})
const spelling = fc
  .tuple(fc.oneof({ weight: 3, arbitrary: four }, { weight: 2, arbitrary: six }), around)
  .map(
    ([host, { before, after }]) =>
      (ip: number) =>
        `${before}${host(ip)}${after}`,
  )

const numRuns = 5_000

test('an address that is not public is refused in whatever way it is written', () => {
  fc.assert(
    fc.property(closedIp, spelling, (ip, write) => {
      const url = write(ip)
      expect([url, guard.refusal(new URL(url))]).toEqual([url, expect.stringMatching(/./)])
    }),
    { numRuns },
  )
})

test('a public address is not refused, in whatever way it is written', () => {
  fc.assert(
    fc.property(publicIp, spelling, (ip, write) => {
      const url = write(ip)
      expect([url, guard.refusal(new URL(url))]).toEqual([url, null])
    }),
    { numRuns },
  )
})

test('any text at all is refused or has a host that is judged once more when it is looked up', () => {
  const resolve: Resolve = (_hostname, _options, callback) =>
    callback(null, [{ address: '10.0.0.1', family: 4 }])
  const { lookup, refusal } = createGuard([], resolve)
  const host = fc.oneof(
    fc.string(),
    fc.string({ unit: 'grapheme' }),
    fc.webAuthority(),
    fc.ipV4Extended(),
    fc.ipV6(),
  )
  fc.assert(
    fc.property(host, (host) => {
      const url = `http://${host}/`
      if (!URL.canParse(url)) return
      if (refusal(new URL(url)) !== null) return
      const { hostname } = new URL(url)
      // An address is never looked up, so that what is not refused must be public by its spelling alone.
      if (/^[\d.]+$/.test(hostname) && hostname.split('.').length === 4)
        expect(isIn(closedRanges, Buffer.from(hostname.split('.').map(Number)).readUInt32BE())).toBe(false)
      lookup(hostname, { all: true }, (error) => expect(error).toMatchObject({ code: 'EBLOCKED' }))
    }),
    { numRuns },
  )
})

test('a name is refused if any of its addresses is', () => {
  const addresses = fc.array(fc.tuple(fc.oneof(closedIp, publicIp), fc.boolean()), {
    minLength: 1,
    maxLength: 8,
  })
  fc.assert(
    fc.property(addresses, (list) => {
      const resolved = list.map(([ip, isMapped]) => {
        const address = bytesOf(ip).join('.')
        return isMapped ? { address: `::ffff:${address}`, family: 6 } : { address, family: 4 }
      })
      const { lookup } = createGuard([], (_hostname, _options, callback) => callback(null, resolved))
      const isClosed = list.some(([ip]) => isIn(closedRanges, ip))
      lookup('crm.example.com', { all: true }, (error, given) => {
        if (isClosed) expect(error).toMatchObject({ code: 'EBLOCKED' })
        else expect([error, given]).toEqual([null, resolved])
      })
    }),
    { numRuns },
  )
})
