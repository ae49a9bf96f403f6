// What the developer is told about wrong options of the gateway.
import { type UrlNetworksOptions, urlNetworks } from '../../lib/gateways/url-networks.ts'

const fault = (options?: unknown) => {
  try {
    urlNetworks(options as UrlNetworksOptions)
  } catch (error) {
    return error
  }
  return undefined
}

describe('options of urlNetworks', () => {
  test.each([
    ['nothing', undefined, /`token` is undefined; is SMS_TOKEN set\?.*allowUnauthenticated: true/],
    ['an unset variable', { token: undefined }, /`token` is undefined/],
    ['an empty variable', { token: '' }, /`token` is empty; is SMS_TOKEN set\?/],
    ['a blank one', { token: ' \n' }, /`token` is empty/],
    ['a list of nothing', { token: [] }, /`token` is empty/],
    ['a list of unset variables', { token: [undefined, ''] }, /`token` is empty/],
    ['it is not allowed', { allowUnauthenticated: false }, /`token` is undefined/],
    ['a number as the token', { token: 12345 }, /`token` is a number; write a text, or a list of texts/],
    ['a misspelt option', { tokens: 'x' }, /`tokens` is not an option; did you mean `token`/],
    ['no size', { token: 'x', maxBytes: 0 }, /`maxBytes` is 0; write a whole number of bytes/],
    [
      'a number as the service',
      { token: 'x', serviceId: 42 },
      /`serviceId` is 42; write the service id as a text/,
    ],
  ])('%s', (_what, options, message) => {
    expect(fault(options)).toMatchObject({
      name: 'OptionsError',
      code: 'options-invalid',
      message: expect.stringMatching(message),
    })
  })

  test.each([
    [{ token: 'one' }, ['one']],
    [{ token: ['one', undefined, 'two'] }, ['one', 'two']],
    // As a file of secrets ends.
    [{ token: 'one\n' }, ['one']],
    [{ allowUnauthenticated: true }, []],
    [{ allowUnauthenticated: true, token: 'one' }, ['one']],
    [{ token: 'one', serviceId: undefined, smsNumber: undefined, maxBytes: undefined }, ['one']],
  ])('%j has the tokens %j', (options: UrlNetworksOptions, tokens) => {
    expect(urlNetworks(options)).toMatchObject({
      kind: 'urlNetworks',
      methods: ['POST'],
      maxBytes: 65_536,
      tokens,
    })
  })
})
