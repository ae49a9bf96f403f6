// Names and what they resolve to: with the system's own resolver, and with one that answers as told.
import { createGuard, type Resolve } from '../../lib/outbound/guard.ts'

let answer: { error?: Error & { code?: string }; addresses?: string[] } | null = null
const told: Resolve = (_hostname, _options, callback) => {
  const addresses = (answer?.addresses ?? []).map((address) => ({
    address,
    family: address.includes(':') ? 6 : 4,
  }))
  callback(answer?.error ?? null, addresses)
}

afterEach(() => {
  answer = null
})

/** What the callback of a look-up is given. */
const lookup = (hostname: string, allow: string[] = [], options = {}) =>
  new Promise<unknown[]>((resolve) => {
    createGuard(allow, answer ? told : undefined).lookup(hostname, { all: true, ...options }, (...given) =>
      resolve(given),
    )
  })
const resolvingTo = (...addresses: string[]) => {
  answer = { addresses }
}
const blocked = [expect.objectContaining({ code: 'EBLOCKED' }), []]

describe("with the system's resolver", () => {
  test.each(['127.0.0.1', '::1', '10.0.0.1', 'localhost'])('%s is refused', async (name) => {
    expect(await lookup(name)).toEqual(blocked)
  })

  test('a public address may be reached', async () => {
    expect(await lookup('8.8.8.8')).toEqual([null, [{ address: '8.8.8.8', family: 4 }]])
  })

  test('a name that does not resolve says so', async () => {
    const [error] = await lookup('crm.invalid')
    expect((error as { code: string }).code).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/)
  })

  test('an allowed name may resolve to any address, another may not', async () => {
    expect(await lookup('localhost', ['LocalHost.'])).toEqual([null, expect.any(Array)])
    expect(await lookup('localhost', ['crm.internal'])).toEqual(blocked)
  })

  test('allowed addresses count for names too', async () => {
    expect(await lookup('localhost', ['127.0.0.0/8', '::1'])).toEqual([null, expect.any(Array)])
  })
})

describe('with any answer', () => {
  test('the judged addresses are those that are connected to, all or one as is asked', async () => {
    resolvingTo('8.8.8.8', '2606:4700::1111')
    expect(await lookup('crm.example.com')).toEqual([
      null,
      [
        { address: '8.8.8.8', family: 4 },
        { address: '2606:4700::1111', family: 6 },
      ],
    ])
    expect(await lookup('crm.example.com', [], { all: false })).toEqual([null, '8.8.8.8', 4])
  })

  test.each(['127.0.0.1', '169.254.169.254', '::1', '::ffff:10.0.0.1', 'fe80::1%eth0', 'fd00::1'])(
    'one address such as %s among public ones spoils the name',
    async (address) => {
      resolvingTo('8.8.8.8', address)
      expect(await lookup('crm.example.com')).toEqual(blocked)
      resolvingTo(address, '8.8.8.8')
      expect(await lookup('crm.example.com', [], { all: false })).toEqual(blocked)
    },
  )

  test('no address at all, or one that is none', async () => {
    resolvingTo()
    expect(await lookup('crm.example.com')).toEqual([expect.objectContaining({ code: 'ENOTFOUND' }), []])
    resolvingTo('nonsense')
    expect(await lookup('crm.example.com')).toEqual(blocked)
  })

  test('an allowed name with its case and dot as somebody wrote them', async () => {
    resolvingTo('10.0.0.1')
    expect(await lookup('CRM.internal.', ['crm.Internal'])).toEqual([
      null,
      [{ address: '10.0.0.1', family: 4 }],
    ])
    expect(await lookup('crm.internal.example.com', ['crm.internal'])).toEqual(blocked)
  })

  test("the resolver's error is handed on", async () => {
    answer = { error: Object.assign(new Error('try again'), { code: 'EAI_AGAIN' }) }
    expect(await lookup('crm.example.com')).toEqual([expect.objectContaining({ code: 'EAI_AGAIN' }), []])
  })
})
