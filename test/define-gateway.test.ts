// Making a gateway: what proves the sender, and what becomes of what it reads.
import { defineGateway, type GatewayDefinition } from '../lib/define-gateway.ts'
import type { GatewayRequest } from '../lib/gateway.ts'

const bare: GatewayDefinition = { kind: 'own', parse: () => ({ identity: 'm-1' }) }
const verify = () => {}
const define = (definition: object = {}) => defineGateway({ ...bare, ...definition } as GatewayDefinition)

describe('who proves nothing is refused at construction', () => {
  test.each<[string, object, RegExp]>([
    [
      'nothing at all',
      {},
      /`token` is undefined; is SMS_TOKEN set\? Anyone could post.*allowUnauthenticated: true/,
    ],
    ['an unset token', { token: undefined }, /`token` is undefined/],
    ['an empty token', { token: ' \n' }, /`token` is empty/],
    [
      'a verify without a secret',
      { verify },
      /`token` is undefined.* or what the gateway signs with as `secret`/,
    ],
    [
      'an unset secret',
      { secret: undefined, verify },
      /`secret` is undefined; is its environment variable set\?/,
    ],
    [
      'a secret that is unset, and a token',
      { secret: undefined, token: 'x', verify },
      /`secret` is undefined/,
    ],
    [
      'a token that is unset, and a secret',
      { secret: 'x', token: undefined, verify },
      /`token` is undefined/,
    ],
    ['a list of blanks', { secret: ['', undefined], verify }, /`secret` is empty/],
    ['a secret that nothing is checked with', { secret: 'x' }, /there is no `verify`/],
    [
      'a header that is none',
      { token: 'x', tokenHeader: 'x y' },
      /`tokenHeader` is .*; write the name of a header/,
    ],
    [
      'a country that is none',
      { token: 'x', country: 'Oz' },
      /`country` is "Oz"; write two letters such as 'AU'/,
    ],
    ['no parse', { token: 'x', parse: undefined }, /`parse` is undefined; write a function/],
    [
      'a misspelt option',
      { token: 'x', method: ['GET'] },
      /`method` is not an option; did you mean `methods`/,
    ],
  ])('%s', (_what, definition, message) => {
    expect(() => define(definition)).toThrow(
      expect.objectContaining({ name: 'OptionsError', message: expect.stringMatching(message) }),
    )
  })

  test.each<[string, object]>([
    ['a token', { token: 'x' }],
    ['a secret', { secret: 'x', verify }],
    ['both', { token: 'x', secret: ['x', undefined], verify }],
    ['a word that says so', { allowUnauthenticated: true, token: undefined, secret: undefined }],
  ])('but not %s', (_what, definition) => {
    expect(() => define(definition)).not.toThrow()
  })
})

test('what is not said is a POST of at most 64 kB whose bytes nobody needs', () => {
  expect(define({ token: ' x\n' })).toMatchObject({
    kind: 'own',
    methods: ['POST'],
    maxBytes: 65_536,
    needsBytes: false,
    tokens: ['x'],
    tokenHeader: null,
  })
})

test('whoever signs needs the bytes, unless it is said otherwise', () => {
  expect(define({ secret: 'x', verify }).needsBytes).toBe(true)
  expect(define({ secret: 'x', verify, needsBytes: false }).needsBytes).toBe(false)
  expect(define({ token: 'x', needsBytes: true }).needsBytes).toBe(true)
})

test('a parse that is async is told so, and ends no process', async () => {
  const parse = async () => {
    throw new Error('not JSON')
  }
  expect(() => define({ token: 'x', parse }).parse({} as GatewayRequest)).toThrow('not a promise of it')
  await new Promise((resolve) => setImmediate(resolve))
})

test('verify is given the secrets without their blanks', async () => {
  const seen: unknown[] = []
  const gateway = define({
    secret: ['old\n', '', undefined, 'new'],
    verify: (_request: GatewayRequest, secrets: readonly string[]) => seen.push(secrets),
  })
  await gateway.verify({} as GatewayRequest)
  expect(seen).toEqual([['old', 'new']])
})

test('one draft or several become events, with the country of the gateway', () => {
  const parse = () => [{ identity: 'a', from: '0412345678' }, { identity: 'b' }]
  const events = define({ token: 'x', country: 'AU', parse }).parse({} as GatewayRequest)
  expect(events.map(({ identity, from }) => [identity, from?.e164])).toEqual([
    ['a', '+61412345678'],
    ['b', undefined],
  ])
  expect(define({ token: 'x' }).parse({} as GatewayRequest)).toMatchObject([{ identity: 'm-1', media: [] }])
})
