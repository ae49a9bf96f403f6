// Spellings that would reach what is not public, each tried for real: none is called, and none is even looked up.
import { createGuard, type Resolve } from '../../lib/outbound/guard.ts'
import { createWebhook, type Webhook } from '../../lib/outbound/webhook.ts'
import { manualClock } from '../support/manual-clock.ts'

const lookedUp: string[] = []
const resolve: Resolve = (hostname, _options, callback) => {
  lookedUp.push(hostname)
  callback(Object.assign(new Error('nothing is looked up here'), { code: 'ENOTFOUND' }), [])
}
let webhook: Webhook
beforeAll(() => {
  webhook = createWebhook({ clock: manualClock(), guard: createGuard([], resolve) })
})
afterAll(() => webhook.close())

const request = { method: 'POST' as const, headers: {}, body: '' }
const outcomeOf = (url: string) => webhook.attempt({ url, guarded: true, request, timeoutMs: 1000 })

/** Invisible and look-alike characters, by name, so that a reader sees them. */
const [softHyphen, zeroWidthSpace, tab, newline] = ['\u00ad', '\u200b', '\t', '\n']

/** A row for each URL. Where two are named, they are the first and the last address of a range. */
const spellings: Record<string, string[]> = {
  'decimal IPv4': ['2130706433', '3232235777', '2852039166', '0', '4294967295', '2886729728'],
  'octal IPv4': ['0177.0.0.1', '0177.0.0.01', '017700000001', '0300.0250.0.1', '012.0.0.1', '00000177.0.0.1'],
  'hex IPv4': ['0x7f.0.0.1', '0x7F000001', '0xA9FEA9FE', '0xa9.0xfe.0xa9.0xfe', '0xC0.0xA8.0.1', '0x0.0.0.0'],
  'mixed IPv4': ['0x7f.1', '0177.0x0.0.1', '127.0x1', '0xa9.254.0251.254', '10.0x0.01', '0x7f.0.1'],
  'short IPv4': ['127.1', '127.0.1', '10.1', '192.168.257', '172.16.1', '169.254.43518', '0.1'],
  'a dot at the end': ['127.0.0.1.', '2130706433.', '0x7f.1.', '10.0.0.1.', 'localhost.', 'a.localhost.'],
  'digits of other scripts': [
    '１２７.０.０.１',
    '①②⑦.⓪.⓪.①',
    '𝟏𝟐𝟕.𝟎.𝟎.𝟏',
    '¹²⁷.⁰.⁰.¹',
    '１６９.254.１６９.254',
  ],
  'dots of other scripts': ['127。0。0。1', '127｡0｡0｡1', '127．0．0．1', '10。0。0。1'],
  'percent-encoded': ['%31%32%37.0.0.1', '127%2e0%2e0%2e1', 'loc%61lhost', '%6c%6f%63%61%6c%68%6f%73%74'],
  'invisible characters': [
    `127.0.0.1${softHyphen}`,
    `12${zeroWidthSpace}7.0.0.1`,
    `loc${softHyphen}alhost`,
    `127.0.${tab}0.1`,
    `127.0.0${newline}.1`,
    `local${newline}host`,
  ],
  userinfo: [
    'crm.example.com@127.0.0.1',
    '8.8.8.8:80@localhost',
    'crm.example.com%40@10.0.0.1',
    'a:b@c:d@127.0.0.1',
    'crm.example.com%2f@127.0.0.1',
    '8.8.8.8%00@127.0.0.1',
    '@127.0.0.1',
    ':@127.0.0.1',
  ],
  'backslashes and signs': [
    '127.0.0.1\\@crm.example.com',
    '127.0.0.1#@crm.example.com',
    '127.0.0.1?@crm.example.com',
    '127.0.0.1\\.crm.example.com',
    '\\127.0.0.1',
    '/127.0.0.1',
    '///127.0.0.1',
  ],
  ports: ['127.0.0.1:80', '127.0.0.1:65535', '127.0.0.1:', '[::1]:8080', 'localhost:3000', '2130706433:443'],
  'localhost names': [
    'localhost',
    'LOCALHOST',
    'LocalHost',
    'app.localhost',
    'a.b.LocalHost.',
    'ｌｏｃａｌｈｏｓｔ',
    'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
  ],
  'this network': ['0.0.0.0', '0.255.255.255'],
  'private, 10/8': ['10.0.0.0', '10.255.255.255'],
  'private, 172.16/12': ['172.16.0.0', '172.31.255.255'],
  'private, 192.168/16': ['192.168.0.0', '192.168.255.255'],
  shared: ['100.64.0.0', '100.127.255.255'],
  loopback: ['127.0.0.0', '127.255.255.255'],
  'link-local, and the metadata of clouds': [
    '169.254.0.0',
    '169.254.255.255',
    '169.254.169.254',
    '169.254.170.2',
  ],
  'protocol assignments': ['192.0.0.0', '192.0.0.255', '192.88.99.0', '192.88.99.255'],
  documentation: [
    '192.0.2.0',
    '192.0.2.255',
    '198.51.100.0',
    '198.51.100.255',
    '203.0.113.0',
    '203.0.113.255',
  ],
  benchmarks: ['198.18.0.0', '198.19.255.255'],
  multicast: ['224.0.0.0', '239.255.255.255'],
  'reserved and broadcast': ['240.0.0.0', '255.255.255.254', '255.255.255.255'],
  'IPv6 none and loopback': ['[::]', '[::1]', '[0:0:0:0:0:0:0:1]', '[0000::0001]', '[::0.0.0.1]'],
  'IPv4-mapped': [
    '[::ffff:127.0.0.1]',
    '[::FFFF:7F00:1]',
    '[0:0:0:0:0:ffff:10.0.0.0]',
    '[::ffff:10.255.255.255]',
    '[::ffff:169.254.169.254]',
    '[::ffff:192.168.0.0]',
    '[::ffff:0.0.0.0]',
    '[::ffff:ffff:ffff]',
  ],
  'IPv4-compatible and translated': [
    '[::127.0.0.1]',
    '[::8.8.8.8]',
    '[::ffff:0:127.0.0.1]',
    '[::ffff:0:8.8.8.8]',
  ],
  NAT64: [
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b::a9fe:a9fe]',
    '[64:ff9b::10.0.0.0]',
    '[64:ff9b::10.255.255.255]',
    '[64:ff9b:1::8.8.8.8]',
    '[64:ff9b:1:ffff:ffff:ffff:ffff:ffff]',
  ],
  '6to4': [
    '[2002:7f00:1::1]',
    '[2002:a00::]',
    '[2002:aff:ffff:ffff:ffff:ffff:ffff:ffff]',
    '[2002:c0a8:101::]',
  ],
  // The client's address is in the last four bytes, inverted: 127.0.0.1, 10.0.0.1, 192.168.1.1, 169.254.169.254.
  Teredo: [
    '[2001:0:4136:e378:8000:63bf:80ff:fffe]',
    '[2001::f5ff:fffe]',
    '[2001:0:808:808::3f57:fefe]',
    '[2001:0:808:808::5601:5601]',
  ],
  'unique local': [
    '[fc00::]',
    '[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]',
    '[fd00:ec2::254]',
    '[FD12:3456::1]',
  ],
  'IPv6 link-local and site-local': ['[fe80::]', '[febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff]', '[fec0::1]'],
  zones: ['[fe80::1%25eth0]', '[fe80::1%eth0]', '[::1%251]', '[::1%25lo]'],
  'odd brackets': [
    '[127.0.0.1]',
    '[::1',
    '::1',
    '[::1]extra',
    '[[::1]]',
    '[localhost]',
    '[::1].crm.example.com',
  ],
  'IPv6 multicast': ['[ff00::]', '[ff02::1]', '[ff0e::1]', '[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]'],
  'IPv6 documentation': ['[2001:db8::]', '[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]', '[3fff::1]'],
  'discard and segment routing': ['[100::]', '[100::ffff:ffff:ffff:ffff]', '[5f00::]', '[5f00:ffff::1]'],
  'IPv6 not assigned to public use': ['[1::1]', '[4000::1]', '[e000::1]', '[2001:2::1]', '[2001:10::1]'],
  'out of range': [
    '256.0.0.1',
    '127.0.0.0.1',
    '0x100000000',
    '4294967296',
    '1.2.3.08',
    '08.0.0.1',
    '127.0.0.1.1',
  ],
}
const rows = Object.entries(spellings).flatMap(([group, hosts]) =>
  hosts.map((host) => [group, `http://${host}/`] as [string, string]),
)

/** What a URL may look like before its host. */
const beginnings: [string, string][] = [
  'http:127.0.0.1/',
  'http:/127.0.0.1/',
  'http:\\\\127.0.0.1\\',
  'http:////127.0.0.1/',
  'HTTP://127.0.0.1/',
  'https://127.0.0.1/',
  ' http://127.0.0.1/',
  'h\nttp://127.0.0.1/',
  '//127.0.0.1/',
  'ftp://8.8.8.8/',
  'file:///etc/passwd',
  'gopher://127.0.0.1/_x',
  'ws://8.8.8.8/',
  'unix:/run/docker.sock',
  'http+unix://%2Frun%2Fdocker.sock/',
  'data:text/plain,x',
  'javascript:1',
  'blob:http://8.8.8.8/x',
].map((url) => ['beginnings', url])

test('there are enough of them, and none twice', () => {
  const urls = [...rows, ...beginnings].map(([, url]) => url)
  expect(urls.length).toBeGreaterThanOrEqual(200)
  expect(new Set(urls).size).toBe(urls.length)
})

test.each([...rows, ...beginnings])('%s: %j is not called', async (_group, url) => {
  const outcome = await outcomeOf(url)
  // One that is no URL at all is refused before the guard is asked.
  const expected = URL.canParse(url)
    ? { type: 'error', code: 'blocked', message: expect.stringMatching(/./) }
    : { type: 'error', code: 'network', message: 'the URL cannot be read' }
  expect(outcome).toEqual(expected)
  expect(lookedUp).toEqual([])
})
