// What the developer is told about wrong options of GatewayAPI, and what right ones come to.
import { type GatewayApiOptions, gatewayApi } from '../../lib/gateways/gateway-api.ts'

describe('options of gatewayApi', () => {
  const fault = (options?: unknown) => () => gatewayApi(options as GatewayApiOptions)

  test.each([
    [undefined, /`token` is undefined.*what the gateway signs with as `secret`/],
    [{ secret: undefined }, /`secret` is undefined; is its environment variable set\?/],
    [{ secret: ' ' }, /`secret` is empty/],
    [{ secret: [] }, /`secret` is empty/],
    [{ secret: ['', undefined], token: 'x' }, /`secret` is empty/],
    [{ secret: 7 }, /`secret` is a number; write a text, or a list of texts/],
    [
      { secret: 'x', toleranceMs: 3_600_000 },
      /`toleranceMs` is 3600000; write milliseconds, 86400000 \(a day\)/,
    ],
    [{ secrets: 'x' }, /`secrets` is not an option; did you mean `secret`/],
  ])('%j', (options, words) => {
    expect(fault(options)).toThrow(words)
    expect(fault(options)).toThrow(expect.objectContaining({ code: 'options-invalid' }))
  })

  test('the bytes are needed whenever there is a secret', () => {
    expect(gatewayApi({ secret: 'x' })).toMatchObject({
      kind: 'gatewayApi',
      methods: ['POST'],
      needsBytes: true,
    })
    expect(gatewayApi({ token: 'x' })).toMatchObject({ needsBytes: false, maxBytes: 1_048_576 })
    expect(gatewayApi({ token: 'x', maxBytes: 10 })).toMatchObject({ maxBytes: 10 })
  })
})
