// What the developer is told about wrong options of the gateway.
import { type SmsGateOptions, smsGate } from '../../lib/gateways/sms-gate.ts'

const fault = (options?: unknown) => {
  try {
    smsGate(options as SmsGateOptions)
  } catch (error) {
    return error
  }
  return undefined
}

const ask = () => undefined

describe('options of smsGate', () => {
  test.each([
    ['nothing', undefined, /`token` is undefined.*or what the gateway signs with as `secret`/],
    ['an unset secret', { secret: undefined }, /`secret` is undefined; is its environment variable set\?/],
    ['an unset secret beside a token', { token: 'x', secret: undefined }, /`secret` is undefined/],
    ['a blank secret', { secret: ' \n' }, /`secret` is empty/],
    ['a list of unset variables', { secret: [undefined, ''] }, /`secret` is empty/],
    ['an unset token beside a secret', { secret: 'x', token: undefined }, /`token` is undefined/],
    ['an unset token beside a function', { secret: ask, token: undefined }, /`token` is undefined/],
    ['a blank token beside a function', { secret: ask, token: '' }, /`token` is empty/],
    [
      'a number as the secret',
      { secret: 12345678 },
      /`secret` is a number; write a text, a list of texts, or a function of the device's id/,
    ],
    ['numbers as secrets', { secret: [1] }, /`secret/],
    ['no tolerance', { secret: 'x', toleranceMs: 0 }, /`toleranceMs` is 0; write milliseconds, or false/],
    [
      'endless tolerance',
      { secret: 'x', toleranceMs: Infinity },
      /`toleranceMs` is Infinity; write milliseconds, or false/,
    ],
    [
      'any tolerance',
      { secret: 'x', toleranceMs: true },
      /`toleranceMs` is true; write milliseconds, or false/,
    ],
    [
      'another identity',
      { secret: 'x', identifyBy: 'messageId' },
      /`identifyBy` is "messageId"; did you mean `message`/,
    ],
    ['a misspelt option', { secrets: 'x' }, /`secrets` is not an option; did you mean `secret`/],
  ])('%s', (_what, options, message) => {
    expect(fault(options)).toMatchObject({
      name: 'OptionsError',
      code: 'options-invalid',
      message: expect.stringMatching(message),
    })
  })

  test.each<[SmsGateOptions, object]>([
    [{ secret: 'x' }, { needsBytes: true, maxBytes: 10_485_760, tokens: [] }],
    [{ secret: ask }, { needsBytes: true }],
    [
      { secret: ask, token: 'y' },
      { needsBytes: true, tokens: ['y'] },
    ],
    [{ token: 'y' }, { needsBytes: false }],
    [{ allowUnauthenticated: true }, { needsBytes: false }],
    [{ secret: 'x', maxBytes: 5, toleranceMs: undefined, identifyBy: undefined }, { maxBytes: 5 }],
  ])('%j makes a gateway', (options, expected) => {
    expect(smsGate(options)).toMatchObject({ kind: 'smsGate', methods: ['POST'], ...expected })
  })
})
