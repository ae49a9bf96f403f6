// Names against a real name server: mixed, changing and endless answers, and where the connections go.
import { createGuard } from '../../lib/outbound/guard.ts'
import { createWebhook } from '../../lib/outbound/webhook.ts'
import { type Answers, startDns } from '../support/dns-server.ts'
import { startHttp } from '../support/http-server.ts'
import { manualClock, settled } from '../support/manual-clock.ts'
import { afterwards } from '../support/shop.ts'

const request = { method: 'POST' as const, headers: {}, body: '' }

/** What the name server answers to the nth question, and what may be called beside public addresses. */
type World = { answer: (name: string, n: number) => Answers; allow?: string[] }
const open = async ({ answer, allow = [] }: World) => {
  const dns = await startDns(answer)
  const webhook = createWebhook({ clock: manualClock(), guard: createGuard(allow, dns.resolve) })
  afterwards(dns.close)
  afterwards(webhook.close)
  return {
    dns,
    attempt: (url: string, guarded = true) => webhook.attempt({ url, guarded, request, timeoutMs: 5000 }),
  }
}
const server = async () => {
  const http = await startHttp()
  afterwards(http.close)
  return { http, at: (name: string) => `http://${name}:${new URL(http.url).port}/` }
}

const blocked = { type: 'error', code: 'blocked', message: 'an address of its name is not public' }
const answered = { type: 'answer', status: 200 }

describe('answers that are refused, in either order', () => {
  test.each<[string, string[]]>([
    ['loopback', ['127.0.0.1']],
    ['the IPv6 loopback', ['::1']],
    ['the metadata of a cloud', ['169.254.169.254']],
    ['a private network', ['10.0.0.1']],
    ['another private network', ['192.168.1.1']],
    ['this network', ['0.0.0.0']],
    ['multicast', ['224.0.0.1']],
    ['unique local', ['fd00::1']],
    ['IPv6 link-local', ['fe80::1']],
    ['IPv4-mapped loopback', ['::ffff:127.0.0.1']],
    ['NAT64 of loopback', ['64:ff9b::127.0.0.1']],
    ['6to4 of a private network', ['2002:a00:1::1']],
    ['Teredo of loopback', ['2001::80ff:fffe']],
    ['a public and a private one', ['8.8.8.8', '10.0.0.1']],
    ['a public IPv4 and a private IPv6', ['8.8.8.8', '::1']],
    ['a private IPv4 and a public IPv6', ['127.0.0.1', '2606:4700::1111']],
    ['one private among many', [...Array.from({ length: 20 }, (_, n) => `8.8.4.${n}`), '172.16.0.1']],
    ['another name for loopback', ['cname:b.example.com', '127.0.0.1']],
    ['a chain of names', ['cname:b.example.com', 'cname:c.example.com', '8.8.8.8', '10.0.0.1']],
    ['a name that says localhost', ['cname:localhost', '127.0.0.1']],
  ])('%s', async (_what, addresses) => {
    const { attempt } = await open({
      answer: (name) => (name[0] === 'b' ? addresses.toReversed() : addresses),
    })
    expect(await attempt('http://a.example.com:9/')).toEqual(blocked)
    if (!addresses[0]!.startsWith('cname:')) expect(await attempt('http://b.example.com:9/')).toEqual(blocked)
  })

  test.each([
    '127.0.0.1.nip.example',
    'localhost.localdomain',
    'ip6-localhost',
    'metadata.google.internal',
    '127.0.0.1..',
  ])('the name %s is judged by its address alone', async (name) => {
    const { attempt } = await open({ answer: () => ['127.0.0.1'] })
    // An empty label cannot even be asked for.
    const code = name.endsWith('..') ? /^(dns|network)$/ : /^blocked$/
    expect(await attempt(`http://${name}:9/`)).toMatchObject({ code: expect.stringMatching(code) })
  })

  test('an unknown name, and one without an address', async () => {
    const { attempt } = await open({ answer: (name) => (name[0] === 'u' ? [] : ['cname:b.example.com']) })
    expect(await attempt('http://unknown.example.com/')).toMatchObject({ type: 'error', code: 'dns' })
    expect(await attempt('http://empty.example.com/')).toEqual({
      type: 'error',
      code: 'dns',
      message: 'the name has no address',
    })
  })
})

describe('connections go to the address that was judged', () => {
  test('a name is asked for once a connection, so that a second answer cannot differ', async () => {
    const { http, at } = await server()
    // The second answer would be another address of this machine, which is not allowed.
    const { attempt, dns } = await open({
      answer: (_name, n) => (n === 1 ? ['127.0.0.1'] : ['127.0.0.2']),
      allow: ['127.0.0.1'],
    })
    expect(await attempt(at('crm.example.com'))).toMatchObject(answered)
    expect(dns.asked.toSorted()).toEqual(['A crm.example.com', 'AAAA crm.example.com'])
    expect(http.asked[0]!.headers.host).toMatch(/^crm\.example\.com:/)
  })

  test('a name that points elsewhere later is judged again', async () => {
    const { http, at } = await server()
    const { attempt } = await open({
      answer: (_name, n) => (n === 1 ? ['127.0.0.1'] : ['127.0.0.2']),
      allow: ['127.0.0.1'],
    })
    expect(await attempt(at('crm.example.com'))).toMatchObject(answered)
    http.closeIdle()
    await settled()
    expect(await attempt(at('crm.example.com'))).toEqual(blocked)
    expect(http.connections).toBe(1)
  })

  test('an open connection is of use to its own name only', async () => {
    const { http, at } = await server()
    const addresses: Record<string, Answers> = {
      'same.example.com': ['127.0.0.1'],
      'other.example.com': ['127.0.0.2'],
      'both.example.com': ['127.0.0.1', '127.0.0.2'],
    }
    const { attempt, dns } = await open({
      answer: (name) => addresses[name] ?? ['127.0.0.1'],
      allow: ['127.0.0.1'],
    })
    const tryAt = (name: string) => attempt(at(`${name}.example.com`))
    expect(await tryAt('crm')).toMatchObject(answered)
    await settled()
    expect(await tryAt('other')).toEqual(blocked)
    expect(await tryAt('both')).toEqual(blocked)
    expect(await tryAt('same')).toMatchObject(answered)
    expect(http.connections).toBe(2)
    const names = dns.asked.map((question) => question.replace(/.* /, ''))
    expect(new Set(names)).toEqual(new Set(['crm.example.com', ...Object.keys(addresses)]))
  })

  test('a connection to a configured URL is of no use to one that arrived as data', async () => {
    const { http } = await server()
    const { attempt } = await open({ answer: () => ['127.0.0.1'] })
    expect(await attempt(http.url, false)).toMatchObject(answered)
    await settled()
    expect(await attempt(http.url)).toMatchObject({ code: 'blocked' })
    expect(http.asked).toHaveLength(1)
  })

  test.each(['127.0.0.1', '127.0.0.0/8', 'crm.example.com', 'CRM.Example.com.'])(
    'what %s allows is called',
    async (entry) => {
      const { at } = await server()
      const { attempt } = await open({ answer: () => ['127.0.0.1'], allow: [entry] })
      expect(await attempt(at('crm.example.com'))).toMatchObject(answered)
    },
  )

  test.each(['10.0.0.0/8', 'example.com', 'www.crm.example.com', '.example.com'])(
    'what %s allows is something else',
    async (entry) => {
      const { attempt } = await open({ answer: () => ['127.0.0.1'], allow: [entry] })
      expect(await attempt('http://crm.example.com:9/')).toEqual(blocked)
    },
  )
})

describe('redirects', () => {
  test.each([
    ['a private address', 'http://10.0.0.1/'],
    ['loopback', 'http://127.0.0.1:9/'],
    ['the metadata of a cloud', 'http://169.254.169.254/latest/meta-data/'],
    ['itself, for ever', '/'],
    ['another protocol', 'file:///etc/passwd'],
  ])('to %s are an answer and not followed', async (_where, location) => {
    let connections = 0
    const http = await startHttp((_asked, response) => {
      connections += 1
      response.writeHead(302, { location }).end()
    })
    afterwards(http.close)
    const { attempt, dns } = await open({ answer: () => ['127.0.0.1'], allow: ['crm.example.com'] })
    const outcome = await attempt(`http://crm.example.com:${new URL(http.url).port}/`)
    expect(outcome).toMatchObject({ type: 'answer', status: 302 })
    expect(connections).toBe(1)
    expect(dns.asked).toHaveLength(2)
  })
})
