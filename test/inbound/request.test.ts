// A request as gateways see it, the parts that the PBX has no use for included.
import type { IncomingMessage } from 'node:http'
import { gatewayRequest } from '../../lib/inbound/request.ts'

const incoming = { method: 'POST', headers: { 'content-type': 'a/b; charset=iso-8859-7' } } as IncomingMessage
const seen = (bytes: Buffer | null, parsed?: unknown, search = '') =>
  gatewayRequest(
    incoming,
    { token: null, search },
    bytes ? { bytes, parsed: undefined } : { bytes, parsed },
    0,
  )

describe('gatewayRequest', () => {
  test('the form is read once, in the declared charset', () => {
    const request = seen(Buffer.from('a=%C1'))
    expect(request.form().fields.a).toBe('Α')
    expect(request.form()).toBe(request.form())
  })

  test('JSON is read whatever the content type says', () => {
    expect(seen(Buffer.from('{"a":1}')).json()).toEqual({ a: 1 })
    expect(() => seen(Buffer.from('')).json()).toThrow('the body is not JSON')
  })

  test('without bytes, what an earlier parser read stands for both', () => {
    const request = seen(null, { a: 'x' })
    expect(request.bytes).toBeNull()
    expect(request.form().fields.a).toBe('x')
    expect(request.json()).toEqual({ a: 'x' })
  })

  test('the query', () => {
    expect(seen(null, {}, '?a=1&a=2').query.getAll('a')).toEqual(['1', '2'])
    expect([...seen(null).query]).toEqual([])
  })
})
