// What a developer is told about a mistake in `deliverTo`.
import { createDispatcher, type SmshookOptions, smshook, sqlite, urlNetworks } from '../lib/index.ts'
import { complaint } from './support/complaint.ts'

const fallback = { smtp: 'smtp://user:hunter2@localhost', from: 'sms@example.com', to: 'owner@example.com' }
const right = {
  gateways: { pbx: urlNetworks({ token: 'sesame' }) },
  fallback,
  engine: sqlite(':memory:'),
}
const webhook = { url: 'https://crm.example.com/sms' }
const endpoint = (entry: unknown) => ({ ...right, deliverTo: { crm: entry } })

describe('deliverTo', () => {
  test.each<[string, unknown, ...string[]]>([
    [
      'a URL unset',
      { url: undefined },
      '`deliverTo.crm`',
      'write `url`, `handler` or `email` (is an environment variable unset?)',
    ],
    ['a URL misspelt', { ulr: webhook.url }, '`deliverTo.crm.ulr` is not an option; did you mean `url`?'],
    [
      'a URL without https://',
      { url: 'crm.example.com' },
      '`deliverTo.crm.url` is "crm.example.com"; write a URL such as',
    ],
    [
      'a URL of another kind',
      { url: 'ftp://user:hunter2@crm.example.com' },
      '`deliverTo.crm.url` is a text of 34 characters; write a URL',
    ],
    [
      'a text',
      webhook.url,
      '`deliverTo.crm` is "https://crm.example.com/sms"; write an object such as { url: \'https://crm.example.com/sms\' }',
    ],
    ['nothing', undefined, '`deliverTo.crm` is undefined; write an object such as'],
    ['two ways at once', { ...webhook, email: 'a@example.com' }, '`url` and `email` exclude each other'],
    [
      'a handler that is none',
      { handler: 'x' },
      '`deliverTo.crm.handler` is "x"; write a function of the event',
    ],
    [
      'an email that is none',
      { email: 'nobody' },
      '`deliverTo.crm.email` is "nobody"; write \'owner@example.com\'',
    ],
    [
      'a policy misspelt',
      { ...webhook, policy: 'smss' },
      '`deliverTo.crm.policy` is "smss"; known here: sms',
    ],
    [
      'a policy option misspelt',
      { ...webhook, policy: { tires: 3 } },
      '`deliverTo.crm.policy.tires` is not an option; did you mean `tries`?',
    ],
    [
      'no tries',
      { ...webhook, policy: { tries: 0 } },
      '`deliverTo.crm.policy.tries` is 0; write a whole number from 1 to 100',
    ],
    [
      'a success of 500',
      { ...webhook, policy: { success: 500 } },
      "`deliverTo.crm.policy.success` is 500; write a status from 200 to 299, '2xx' or '<400'",
    ],
    [
      'an event misspelt',
      { ...webhook, events: ['message.recieved'] },
      '`deliverTo.crm.events.0` is "message.recieved"; did you mean `message.received`?',
    ],
    [
      'events as a text',
      { ...webhook, events: 'al' },
      '`deliverTo.crm.events` is "al"; write \'all\', or a list',
    ],
    [
      'events that the format cannot carry',
      { ...webhook, events: 'all' },
      '`deliverTo.crm.format`',
      "format: 'standard'",
    ],
    [
      'a secret that is unset',
      { ...webhook, format: 'smsGate', secret: undefined },
      '`deliverTo.crm.secret` is undefined; is its environment variable set?',
    ],
    ['a secret that is blank', { ...webhook, format: 'httpSms', secret: [' '] }, 'secret` is empty'],
    [
      'a format that is none',
      { ...webhook, format: 'json' },
      '`deliverTo.crm.format` is "json"; known here: urlNetworks, smsGate,',
    ],
    [
      'a format without its secret',
      { ...webhook, format: 'standard' },
      '`deliverTo.crm.secret`',
      'write a `secret`',
    ],
    [
      'a secret that is none',
      { ...webhook, format: 'standard', secret: 'hunter2' },
      '`deliverTo.crm.secret`',
      '`whsec_`',
    ],
    [
      'a format of a handler',
      { handler: () => {}, format: 'standard' },
      '`deliverTo.crm.format`: only what is posted to a `url` has one; leave it out',
    ],
    [
      'a secret and a service id of a handler',
      { handler: () => {}, secret: 'hunter2', serviceId: '7' },
      '`deliverTo.crm.secret`: only what is posted',
      '`deliverTo.crm.serviceId`: only what is posted',
    ],
    [
      'tries of an email address',
      { email: 'a@example.com', policy: { tries: 3 }, concurrency: 1, format: 'standard' },
      '`deliverTo.crm.policy`: an email address has no tries; leave it out',
      '`deliverTo.crm.concurrency`: an email address has no tries',
      '`deliverTo.crm.format`: only what is posted',
    ],
    [
      'a keyword of which nothing is compared',
      { ...webhook, keyword: '!!!' },
      '`deliverTo.crm.keyword` is "!!!"; write a word such as \'foo\'',
    ],
    [
      'one such keyword among others',
      { ...webhook, keyword: ['foo', ' '] },
      '`deliverTo.crm.keyword.1` is " "; write a word such as \'foo\'',
    ],
    [
      'a fallback that is an address',
      { ...webhook, fallback: 'a@example.com' },
      '`deliverTo.crm.fallback` is "a@example.com"; write { to }',
    ],
    [
      'a fallback to nobody',
      { ...webhook, fallback: { to: undefined } },
      "`deliverTo.crm.fallback.to` is undefined; write 'owner@example.com'",
    ],
  ])('%s', (_name, entry, ...words) => {
    const message = complaint(() => smshook(endpoint(entry) as SmshookOptions))
    for (const word of words) expect(message).toContain(word)
    expect(message).not.toMatch(/hunter2|Invalid input/)
  })

  test('options that are unset are none that a kind of endpoint ignores', () => {
    const unset = { format: undefined, serviceId: undefined, policy: undefined, concurrency: undefined }
    const owner = { email: 'a@example.com', ...unset }
    const { engine } = right
    expect(() => createDispatcher({ engine, fallback, deliverTo: { owner } })).not.toThrow()
  })

  test.each<[string, object, ...string[]]>([
    ['a list', { deliverTo: [webhook] }, '`deliverTo` is a list of 1; write an object such as { crm: { url'],
    [
      'an endpoint in place of names',
      { deliverTo: webhook },
      '`deliverTo.url` is "https://crm.example.com/sms"; write an object such as',
    ],
    [
      'a name with a space',
      { deliverTo: { 'my crm': webhook } },
      '`deliverTo.my crm`',
      'name endpoints with letters, digits',
    ],
    [
      'the name that unwanted messages have',
      { deliverTo: { fallback: webhook } },
      '`deliverTo.fallback`',
      'another name',
    ],
    [
      'an email where there is none',
      { deliverTo: { crm: { email: 'a@example.com' } }, fallback: false },
      '`deliverTo.crm` wants an email, but `fallback` is false',
    ],
    [
      'a fallback where there is none',
      { deliverTo: { crm: { ...webhook, fallback: { to: 'a@example.com' } } }, fallback: false },
      '`deliverTo.crm` wants an email',
    ],
  ])('%s', (_name, changes, ...words) => {
    const message = complaint(() => smshook({ ...right, ...changes } as SmshookOptions))
    for (const word of words) expect(message).toContain(word)
    expect(message).not.toContain('Invalid')
  })
})
