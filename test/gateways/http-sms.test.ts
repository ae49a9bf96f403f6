// What httpSMS posts, beyond the fixtures: whose tokens are taken, what becomes of a body that a parser has read,
// encrypted texts, and options in words.
import { createCipheriv, createHash, createHmac } from 'node:crypto'
import express from 'express'
import fc from 'fast-check'
import request from 'supertest'
import type { GatewayRequest } from '../../lib/gateway.ts'
import { type HttpSmsOptions, httpSms } from '../../lib/gateways/http-sms.ts'
import { manualClock } from '../support/manual-clock.ts'
import { hostApp, receiving, versions } from '../support/receiving.ts'

const secret = 'signing-key-of-the-webhook'
const audience = 'https://sms.example.com/sms/phone'
const at = Date.UTC(2026, 0, 1) / 1_000
const claims = { iss: 'api.httpsms.com', sub: 'user', aud: [audience], exp: at + 600, nbf: at - 600, iat: at }

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token as its server makes it, apart from what is wrong with it. */
const tokenOf = (payload: object, { key = secret, header = {}, hash = 'sha256' } = {}) => {
  const signed = `${part({ alg: 'HS256', typ: 'JWT', ...header })}.${part(payload)}`
  return `${signed}.${createHmac(hash, key).update(signed).digest('base64url')}`
}

const without = (name: keyof typeof claims) => ({ ...claims, [name]: undefined })
const good = tokenOf(claims)
const [head, body, signature] = good.split('.') as [string, string, string]

const message = (data: object = {}) => ({
  id: '70d5e8b5-0a3c-4e0c-9f3a-6f1d1f0f6a01',
  type: 'message.phone.received',
  data: { owner: '+12025550123', contact: '+442079460958', content: 'Hi', ...data },
})

const open = (
  options: HttpSmsOptions = { secret, audience },
  ...parsers: Parameters<typeof hostApp>[1][]
) => {
  const received = receiving({ gateways: { phone: httpSms(options) }, clock: manualClock(at * 1_000) })
  const app = hostApp(versions[0]![1], ...parsers, ['/sms', received.router])
  const post = (authorization: string | undefined, path = '/sms/phone') => {
    const call = request(app).post(path)
    if (authorization !== undefined) call.set('authorization', authorization)
    return call.send(message())
  }
  return { ...received, post }
}

describe('the token of httpSMS', () => {
  test.each([
    ['as it is made', `Bearer ${good}`],
    ['the scheme in small letters', `bearer  ${good}`],
    ['expired within the minute that is forgiven', `Bearer ${tokenOf({ ...claims, exp: at - 59 })}`],
    ['not yet valid within it', `Bearer ${tokenOf({ ...claims, nbf: at + 60 })}`],
    ['without a subject', `Bearer ${tokenOf(without('sub'))}`],
    ['the audience as a text', `Bearer ${tokenOf({ ...claims, aud: audience })}`],
    ['more audiences than ours', `Bearer ${tokenOf({ ...claims, aud: ['https://example.com', audience] })}`],
  ])('%s is taken', async (_what, authorization) => {
    const { post, events } = open()
    await post(authorization).expect(200, '')
    expect(events).toMatchObject([{ text: 'Hi' }])
  })

  test.each([
    ['none', undefined, 'signature-missing', /carries no token/],
    ['Basic auth', 'Basic dTpw', 'signature-missing', /carries no token/],
    ['the token alone', good, 'signature-missing', /carries no token/],
    ['an empty one', 'Bearer ', 'signature-missing', /carries no token/],
    ['no token', 'Bearer x', 'signature-malformed', /no JSON Web Token/],
    ['two parts', `Bearer ${head}.${body}`, 'signature-malformed', /no JSON Web Token/],
    ['other letters', `Bearer ${head}.${body}.%%%`, 'signature-malformed', /no JSON Web Token/],
    ['an empty signature', `Bearer ${head}.${body}.`, 'signature-mismatch', /none of the secrets/],
    ['a short one', `Bearer ${good.slice(0, -4)}`, 'signature-mismatch', /none of the secrets/],
    [
      'another body',
      `Bearer ${head}.${part({ ...claims, exp: at + 9e9 })}.${signature}`,
      'signature-mismatch',
      /none/,
    ],
    ['another key', `Bearer ${tokenOf(claims, { key: 'x' })}`, 'signature-mismatch', /none of the secrets/],
    ['an empty key', `Bearer ${tokenOf(claims, { key: '' })}`, 'signature-mismatch', /none of the secrets/],
    [
      'no algorithm',
      `Bearer ${part({ alg: 'none' })}.${body}.`,
      'signature-mismatch',
      /another algorithm than HS256/,
    ],
    [
      'HS512',
      `Bearer ${tokenOf(claims, { header: { alg: 'HS512' }, hash: 'sha512' })}`,
      'signature-mismatch',
      /another algorithm than HS256/,
    ],
    [
      'RS256',
      `Bearer ${tokenOf(claims, { header: { alg: 'RS256' } })}`,
      'signature-mismatch',
      /another algorithm/,
    ],
    [
      'expired',
      `Bearer ${tokenOf({ ...claims, exp: at - 60 })}`,
      'signature-stale',
      /expired 60 seconds ago/,
    ],
    [
      'not yet valid',
      `Bearer ${tokenOf({ ...claims, nbf: at + 61 })}`,
      'signature-stale',
      /valid only in 61 seconds/,
    ],
    ['no expiry', `Bearer ${tokenOf(without('exp'))}`, 'signature-mismatch', /`exp` is missing or another/],
    ['no beginning', `Bearer ${tokenOf(without('nbf'))}`, 'signature-mismatch', /`nbf` is missing/],
    ['no issuer', `Bearer ${tokenOf(without('iss'))}`, 'signature-mismatch', /`iss` is missing/],
    ['no audience', `Bearer ${tokenOf(without('aud'))}`, 'signature-mismatch', /`aud` is missing/],
    [
      'expiry as a text',
      `Bearer ${tokenOf({ ...claims, exp: '9999999999' })}`,
      'signature-mismatch',
      /`exp`/,
    ],
    ['another issuer', `Bearer ${tokenOf({ ...claims, iss: 'evil' })}`, 'signature-mismatch', /`iss`/],
    ['another URL', `Bearer ${tokenOf({ ...claims, aud: [`${audience}/`] })}`, 'signature-mismatch', /`aud`/],
    ['claims that are a list', `Bearer ${tokenOf([claims])}`, 'signature-malformed', /no JSON Web Token/],
  ])('%s is refused', async (_what, authorization, code, reason) => {
    const { post, events, rejections, logger } = open()
    await post(authorization).expect(401, code)
    expect(events).toEqual([])
    expect(rejections).toEqual([{ gateway: 'phone', code, reason: expect.stringMatching(reason) }])
    expect(JSON.stringify([rejections, logger.lines])).not.toContain(secret)
  })

  test('may be signed with any of several keys, blank ones aside', async () => {
    const { post } = open({ secret: ['next', undefined, '', `${secret}\n`] })
    await post(`Bearer ${good}`).expect(200)
    await post(`Bearer ${tokenOf(claims, { key: 'next' })}`).expect(200)
    await post(`Bearer ${tokenOf(claims, { key: '' })}`).expect(401)
    await post(`Bearer ${tokenOf(claims, { key: 'last' })}`).expect(401)
  })

  test('is for any URL and forgives a minute, unless told otherwise', async () => {
    const elsewhere = `Bearer ${tokenOf({ ...claims, aud: ['https://example.com'] })}`
    await open({ secret }).post(elsewhere).expect(200)
    const strict = open({ secret, leewayMs: 0, audience: ['https://example.com\n', audience] })
    await strict.post(elsewhere).expect(200)
    await strict.post(`Bearer ${good}`).expect(200)
    await strict.post(`Bearer ${tokenOf({ ...claims, exp: at })}`).expect(401)
    await strict.post(`Bearer ${tokenOf({ ...claims, aud: ['https://example.org'] })}`).expect(401)
  })

  test('the Host header and the path do not make up for an audience', async () => {
    const { post } = open()
    const elsewhere = `Bearer ${tokenOf({ ...claims, aud: ['https://other.example.com/sms/phone'] })}`
    await post(elsewhere).set('host', 'other.example.com').expect(401)
  })

  test('and a token of ours must both be right where both are configured', async () => {
    const { post } = open({ secret, token: 'ours', tokenHeader: 'x-sms-token' })
    await post(`Bearer ${good}`, '/sms/phone/ours').expect(200)
    await post(`Bearer ${good}`, '/sms/phone?token=ours').expect(200)
    await post(`Bearer ${good}`).set('x-sms-token', 'ours').expect(200)
    await post(`Bearer ${good}`, '/sms/phone/theirs').expect(401, 'token-mismatch')
    await post(`Bearer ${good}`).expect(401, 'token-missing')
    await post(undefined, '/sms/phone/ours').expect(401, 'signature-missing')
  })

  test('of ours alone does, also by Basic auth', async () => {
    const { post } = open({ token: 'ours' })
    await post(undefined, '/sms/phone/ours').expect(200)
    await post(`Basic ${Buffer.from('u:ours').toString('base64')}`).expect(200)
    await post(`Bearer ${good}`).expect(401, 'token-missing')
  })
})

describe('a body that a parser has read', () => {
  test('does, since the token does not cover the bytes', async () => {
    const { post, events, logger } = open({ secret }, ['/', express.json()])
    await post(`Bearer ${good}`).expect(200)
    await post('Bearer x').expect(401)
    expect(events).toMatchObject([{ text: 'Hi', raw: message() }])
    expect(JSON.stringify(logger.lines)).toContain('express.json()')
  })

  test('is an error of the set-up when nothing is left of it, whoever posts', async () => {
    const eat: express.RequestHandler = (incoming, _response, next) => {
      incoming.resume().on('end', () => next())
    }
    const { post, events } = open({ secret }, ['/', eat])
    await post(`Bearer ${good}`).expect(500, 'body-consumed')
    await post('Bearer x').expect(500, 'body-consumed')
    expect(events).toEqual([])
  })
})

const encrypt = (text: string | Buffer, password: string, iv: Buffer) => {
  const cipher = createCipheriv('aes-256-cfb', createHash('sha256').update(password).digest(), iv)
  return Buffer.concat([iv, cipher.update(Buffer.from(text as string)), cipher.final()]).toString('base64')
}

describe('encrypted texts', () => {
  const read = (options: HttpSmsOptions, content: unknown, encrypted: unknown = true) => {
    const gateway = httpSms({ allowUnauthenticated: true, ...options })
    return gateway.parse({ json: () => message({ content, encrypted }) } as GatewayRequest)[0]!
  }
  const ivs = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes))
  const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 })

  test('come out as they went in', () => {
    // Halves of emoji cannot be encrypted, and control characters are not written.
    const texts = fc.string({ unit: 'grapheme', maxLength: 60 }).map((text) => `${text}\n\r\t\0\f\ufeff`)
    fc.assert(
      fc.property(texts, words, ivs, (text, password, iv) => {
        fc.pre(password.trim() !== '')
        const draft = read({ password }, encrypt(text, password, iv))
        expect(draft).toMatchObject({ text, encrypted: false, notes: ['decrypted'] })
      }),
    )
  })

  test('never throw and never get lost, whatever they are', () => {
    fc.assert(
      fc.property(fc.oneof(fc.base64String(), fc.string({ unit: 'binary' })), (content) => {
        const { text, encrypted, notes } = read({ password: 'correct horse' }, content)
        if (notes.length === 0) expect([text, encrypted]).toEqual([content, content !== ''])
      }),
    )
  })

  test.each([
    ['nothing but a beginning', Buffer.alloc(15).toString('base64'), { encrypted: true }],
    ['an empty text', Buffer.alloc(16).toString('base64'), { encrypted: false, text: '' }],
    ['nothing', '', { encrypted: false, text: '' }],
    ['null', null, { encrypted: false, text: null }],
    ['a list', ['x'], { encrypted: false, text: null }],
    ['base64 in lines', 'AAAAAAAAAAAAAAAAAAAA\r\nAA==\n', { encrypted: false, text: '' }],
    ['base64 for URLs', '_-8AAAAAAAAAAAAAAAAAAA==', { encrypted: true }],
  ])('%s', (_what, content, expected) => {
    expect(read({ password: 'correct horse' }, content)).toMatchObject(expected)
  })

  test.each([
    ['no UTF-8', Buffer.from('Hi \xff', 'latin1')],
    ['half a character', Buffer.from('🌹').subarray(0, 3)],
    ['a control character', 'Hi \u0002'],
    ['a deletion', 'Hi \u007f'],
  ])('what comes out as %s was encrypted with another password', (_what, plain) => {
    const content = encrypt(plain, 'x', Buffer.alloc(16, 7))
    expect(read({ password: 'x' }, content)).toMatchObject({ text: content, encrypted: true, notes: [] })
  })

  test('another password does not read a text of some length, nor do spaces count for nothing', () => {
    const content = encrypt('The blue one is in stock.', ' correct horse ', Buffer.alloc(16, 7))
    expect(read({ password: 'correct horse' }, content)).toMatchObject({ text: content, encrypted: true })
    expect(read({ password: ['x', ' correct horse \n'] }, content)).toMatchObject({ encrypted: false })
  })

  test.each([false, 'false', null, 0, 'no', {}])('%j is not encrypted', (encrypted) => {
    expect(read({ password: 'x' }, 'AAAA', encrypted)).toMatchObject({ text: 'AAAA', encrypted: false })
  })
})

describe('options of httpSms', () => {
  test.each([
    ['nothing', undefined, /`token` is undefined.*or what the gateway signs with as `secret`/],
    ['an unset variable', { secret: undefined }, /`secret` is undefined; is its environment variable set\?/],
    ['a blank one', { secret: ' ', token: 'x' }, /`secret` is empty/],
    ['a blank token', { secret, token: '' }, /`token` is empty/],
    ['a blank audience', { secret, audience: '' }, /`audience` is (empty|undefined); is its env/],
    ['a list of unset variables', { secret, audience: [undefined] }, /`audience` is (empty|undefined)/],
    ['an unset password', { secret, password: undefined }, /`password` is (empty|undefined)/],
    ['an audience of nobody', { token: 'x', audience }, /`audience` is in signed tokens only/],
    ['a number as the password', { secret, password: 7 }, /`password` is a number; write a text, or a list/],
    ['no leeway', { secret, leewayMs: -1 }, /`leewayMs` is -1; write milliseconds/],
    ['no issuer', { secret, issuer: '' }, /`issuer` is ""; write a text such as 'api.httpsms.com'/],
    ['a misspelt option', { secrets: 'x' }, /`secrets` is not an option; did you mean `secret`/],
  ])('%s', (_what, options, words) => {
    expect(() => httpSms(options as HttpSmsOptions)).toThrow(
      expect.objectContaining({ code: 'options-invalid', message: expect.stringMatching(words) }),
    )
  })

  test('it needs no bytes, with a secret or without', () => {
    const expected = { kind: 'httpSms', methods: ['POST'], needsBytes: false, maxBytes: 65_536 }
    expect(httpSms({ secret })).toMatchObject(expected)
    expect(httpSms({ token: 'x' })).toMatchObject(expected)
  })
})
