// What the developer is told about a wrong set-up.
import type { Gateway } from '../../lib/gateway.ts'
import { urlNetworks } from '../../lib/gateways/url-networks.ts'
import { createRouter, type RouterOptions } from '../../lib/inbound/router.ts'

const gateway = urlNetworks({ token: 'x' })
const accept = async () => {}
const fault = (options: unknown) => {
  try {
    createRouter(options as RouterOptions)
  } catch (error) {
    return error
  }
  return undefined
}

describe('options of createRouter', () => {
  test.each([
    ['no gateway', { accept }, /there is no gateway; write `gateway` .* or `gateways`/],
    ['no gateway by name', { accept, gateways: {} }, /there is no gateway/],
    ['both', { accept, gateway, gateways: { pbx: gateway } }, /both `gateway` and `gateways`/],
    [
      'a name with a slash',
      { accept, gateways: { 'a/b': gateway } },
      /"a\/b" cannot stand in a URL; use letters/,
    ],
    ['an empty name', { accept, gateways: { '': gateway } }, /"" cannot stand in a URL/],
    ['a name with a line end', { accept, gateways: { 'a\n': gateway } }, /"a\\n" cannot stand in a URL/],
    [
      'a factory that was not called',
      { accept, gateways: { pbx: urlNetworks } },
      /`gateways\.pbx`.*what the function of a gateway returns/,
    ],
    ['no accept', { gateway }, /`accept`.*async function/],
    [
      'a misspelt option',
      { accept, gatewys: { pbx: gateway } },
      /`gatewys` is not an option; did you mean `gateways`/,
    ],
    ['a wrong quarantine', { accept, gateway, quarantine: true }, /`quarantine`.*async function/],
    ['a wrong onRejected', { accept, gateway, onRejected: 'log' }, /`onRejected`.*function/],
    ['a wrong logger', { accept, gateway, logger: console.log }, /`logger`.*info, warn and error/],
  ])('%s', (_what, options, message) => {
    expect(fault(options)).toMatchObject({
      name: 'OptionsError',
      code: 'options-invalid',
      message: expect.stringMatching(message),
    })
  })

  test('undefined is as good as left out', () => {
    const options = {
      accept,
      gateway,
      gateways: undefined,
      quarantine: undefined,
      onRejected: undefined,
      logger: undefined,
    }
    expect(fault({ ...options, clock: undefined })).toBeUndefined()
  })

  test('the tokens of a gateway are in no message', () => {
    const secretive = { ...urlNetworks({ token: 'very-secret' }), parse: undefined } as unknown as Gateway
    expect(
      JSON.stringify([fault({ accept, gateway: secretive }), String(fault({ accept, gateway: secretive }))]),
    ).not.toContain('very-secret')
  })
})
