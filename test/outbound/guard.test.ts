// Which addresses a URL that arrived as data may reach.
import fc from 'fast-check'
import { createGuard, type Guard, isAllowable } from '../../lib/outbound/guard.ts'

const guard = createGuard()
const refusalOf = (url: string, by: Guard = guard) => by.refusal(new URL(url))

describe('public addresses', () => {
  test.each([
    'http://8.8.8.8/',
    'https://93.184.216.34:8443/sms',
    'http://172.15.255.255/',
    'http://172.32.0.1/',
    'http://100.63.255.255/',
    'http://100.128.0.1/',
    'http://[2606:4700:4700::1111]/',
    'http://[2a00:1450:4001::200e]:8080/',
    // IPv6 that wraps a public IPv4 address.
    'http://[::ffff:8.8.8.8]/',
    'http://[64:ff9b::8.8.8.8]/',
    'http://[2002:808:808::1]/',
    'https://crm.example.com/',
    'https://localhost.example.com/',
    'https://user:pass@crm.example.com./',
  ])('%s may be called', (url) => {
    expect(refusalOf(url)).toBeNull()
  })
})

describe('addresses that are not public', () => {
  test.each([
    ['this network', 'http://0.0.0.0/', 'http://0.1.2.3/'],
    ['private', 'http://10.0.0.1/', 'http://172.16.0.1/', 'http://172.31.255.255/', 'http://192.168.1.1/'],
    ['shared', 'http://100.64.0.1/', 'http://100.127.255.255/'],
    ['loopback', 'http://127.0.0.1/', 'http://127.255.255.254/'],
    ['link-local', 'http://169.254.0.1/', 'http://169.254.169.254/latest/meta-data/'],
    ['protocol assignments', 'http://192.0.0.1/', 'http://192.88.99.1/'],
    ['documentation', 'http://192.0.2.1/', 'http://198.51.100.1/', 'http://203.0.113.1/'],
    ['benchmarks', 'http://198.18.0.1/', 'http://198.19.255.255/'],
    ['multicast and reserved', 'http://224.0.0.1/', 'http://240.0.0.1/', 'http://255.255.255.255/'],
    ['decimal', 'http://2130706433/', 'http://3232235777/'],
    ['octal', 'http://0177.0.0.1/', 'http://017700000001/'],
    ['hex', 'http://0x7f.0.0.1/', 'http://0x7f000001/', 'http://0xA9FEA9FE/'],
    ['short', 'http://127.1/', 'http://10.1/', 'http://0/'],
    ['trailing dot', 'http://127.0.0.1./', 'http://localhost./'],
    ['wide and circled digits', 'http://１２７.０.０.１/', 'http://①②⑦.⓪.⓪.①/'],
    ['other dots', 'http://127。0。0。1/', 'http://127｡0｡0｡1/'],
    ['percent-encoded', 'http://%31%32%37.0.0.1/', 'http://loc%61lhost/'],
    ['behind userinfo', 'http://crm.example.com@127.0.0.1/', 'http://8.8.8.8:80@localhost/'],
    ['behind a backslash', 'http://127.0.0.1\\@crm.example.com/'],
    ['with a port', 'http://127.0.0.1:65535/', 'http://[::1]:8080/'],
    [
      'localhost names',
      'http://localhost/',
      'http://LOCALHOST/',
      'http://app.localhost/',
      'http://a.LocalHost./',
    ],
    ['IPv6 loopback and none', 'http://[::1]/', 'http://[::]/', 'http://[0:0:0:0:0:0:0:1]/'],
    ['IPv4 in IPv6', 'http://[::ffff:127.0.0.1]/', 'http://[::ffff:7f00:1]/', 'http://[::ffff:10.0.0.1]/'],
    ['IPv4-compatible IPv6', 'http://[::127.0.0.1]/', 'http://[::8.8.8.8]/'],
    ['translated IPv4', 'http://[::ffff:0:127.0.0.1]/'],
    ['NAT64', 'http://[64:ff9b::127.0.0.1]/', 'http://[64:ff9b::a9fe:a9fe]/', 'http://[64:ff9b:1::8.8.8.8]/'],
    ['6to4', 'http://[2002:7f00:1::1]/', 'http://[2002:a00:1::1]/', 'http://[2002:c0a8:101::]/'],
    // The client's address is in the last four bytes, inverted: 127.0.0.1 and 10.0.0.1.
    ['Teredo', 'http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/', 'http://[2001::f5ff:fffe]/'],
    ['unique local', 'http://[fc00::1]/', 'http://[fd12:3456::1]/'],
    ['IPv6 link-local', 'http://[fe80::1]/', 'http://[febf::1]/', 'http://[fec0::1]/'],
    ['IPv6 multicast', 'http://[ff02::1]/', 'http://[ff0e::1]/'],
    ['IPv6 documentation', 'http://[2001:db8::1]/', 'http://[3fff::1]/'],
    ['discard and segment routing', 'http://[100::1]/', 'http://[5f00::1]/'],
    ['not yet assigned', 'http://[4000::1]/', 'http://[1::1]/'],
  ])('%s', (_name, ...urls) => {
    for (const url of urls) expect([url, refusalOf(url)]).toEqual([url, expect.stringMatching(/./)])
  })

  test.each(['ftp://8.8.8.8/', 'file:///etc/passwd', 'data:text/plain,x', 'javascript:1'])(
    '%s is no web address',
    (url) => {
      expect(refusalOf(url)).toMatch(/is not http or https/)
    },
  )

  test('an IPv4 address and the IPv6 forms that wrap it are judged alike', () => {
    const hex = (bytes: readonly number[]) =>
      Buffer.from(bytes)
        .toString('hex')
        .replace(/(.{4})(?=.)/, '$1:')
    const byte = fc.nat(255)
    fc.assert(
      fc.property(fc.tuple(byte, byte, byte, byte), (bytes) => {
        const inverted = bytes.map((one) => one ^ 0xff)
        const verdicts = [
          `http://${bytes.join('.')}/`,
          `http://${Buffer.from(bytes).readUInt32BE()}/`,
          `http://[::ffff:${hex(bytes)}]/`,
          `http://[64:ff9b::${hex(bytes)}]/`,
          `http://[2002:${hex(bytes)}::1]/`,
          `http://[2001:0:808:808:0:0:${hex(inverted)}]/`,
        ].map((url) => refusalOf(url))
        expect(new Set(verdicts).size).toBe(1)
      }),
    )
  })
})

describe('what is allowed', () => {
  test.each<[string, string, boolean]>([
    ['10.1.0.0/16', 'http://10.1.255.255/', true],
    ['10.1.0.0/16', 'http://10.2.0.0/', false],
    ['10.1.0.0/16', 'http://[::ffff:10.1.0.1]/', true],
    ['10.1.2.3', 'http://10.1.2.3:8080/', true],
    ['10.1.2.3', 'http://10.1.2.4/', false],
    ['fd00::/8', 'http://[fd12::1]/', true],
    ['fd00::/8', 'http://[fc00::1]/', false],
    ['FD00:0:0::1', 'http://[fd00::1]/', true],
    ['::1', 'http://[::1]/', true],
    ['[::1]', 'http://[::1]/', true],
    ['localhost', 'http://localhost:3000/', true],
    ['localhost', 'http://LOCALHOST./', true],
    ['localhost', 'http://127.0.0.1/', false],
    ['CRM.internal.', 'http://crm.internal/', true],
  ])('%s and %s: %p', async (entry, url, expected) => {
    const allowing = createGuard([entry])
    expect(refusalOf(url, allowing) === null).toBe(expected)
  })

  test("ranges of both kinds do not get in each other's way", () => {
    const allowing = createGuard(['fd00::/8', '10.0.0.0/8'])
    expect(refusalOf('http://10.0.0.1/', allowing)).toBeNull()
    expect(refusalOf('http://[fd00::1]/', allowing)).toBeNull()
    expect(refusalOf('http://192.168.0.1/', allowing)).not.toBeNull()
  })
})

describe('what can be allowed', () => {
  test.each([
    '10.0.0.0/8',
    '10.1.2.3/8',
    '10.0.0.5',
    '::1',
    '[::1]',
    'fc00::/7',
    'crm.internal',
    'crm.internal.',
    'CRM',
    'localhost',
    'my_crm-2.internal',
    'xn--mller-kva.internal',
  ])('%s', (entry) => {
    expect(isAllowable(entry)).toBe(true)
  })

  test.each([
    '',
    ' ',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10/8',
    '10.0.0',
    '10',
    '10.0.0.256',
    '0x7f.0x1',
    'fc00::/129',
    '[fc00::/7]',
    'http://crm.internal',
    'crm.internal/sms',
    'crm.internal:8080',
    '10.0.0.5:8080',
    '[::1]:8080',
    '*.internal',
    '.internal',
    'crm..internal',
    '-crm',
    'crm internal',
    'm\u00fcller.internal',
  ])('not %j', (entry) => {
    expect(isAllowable(entry)).toBe(false)
  })
})
