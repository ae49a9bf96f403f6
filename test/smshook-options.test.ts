// What a developer is told about a mistake in the options: which one, what was seen, what to write.
import {
  createDispatcher,
  createMailer,
  createRouter,
  type SmshookOptions,
  smshook,
  sqlite,
  urlNetworks,
} from '../lib/index.ts'
import { complaint } from './support/complaint.ts'

const pbx = urlNetworks({ token: 'sesame' })
const fallback = { smtp: 'smtp://user:hunter2@localhost', from: 'sms@example.com', to: 'owner@example.com' }
const right = { gateways: { pbx }, fallback, engine: sqlite(':memory:') }
const webhook = { url: 'https://crm.example.com/sms' }

const without = (name: string) => Object.fromEntries(Object.entries(right).filter(([key]) => key !== name))
const mailOption = (changes: object) => ({ ...right, fallback: { ...fallback, ...changes } })

describe('smshook says', () => {
  test.each<[string, unknown, ...string[]]>([
    [
      'options left out',
      undefined,
      '`options` is undefined; write an object such as { gateways, deliverTo, fallback }',
    ],
    ['options null', null, '`options` is null; write'],
    [
      'a misspelt option',
      { ...right, fallbck: fallback },
      '`fallbck` is not an option; did you mean `fallback`?',
    ],
    [
      'a misspelt option that is missing then',
      { ...without('fallback'), fallbck: fallback },
      '`fallbck` is not an option; did you mean `fallback`?',
    ],
    [
      'a misspelt gateways',
      { ...right, gatways: {} },
      '`gatways` is not an option; did you mean `gateways`?',
    ],
    [
      'no fallback',
      without('fallback'),
      '`fallback` is undefined; write { smtp, from, to }, or false when there is to be no email',
    ],
    [
      'a fallback that is an address',
      { ...right, fallback: 'owner@example.com' },
      '`fallback` is "owner@example.com"; write { smtp, from, to }',
    ],
    [
      'a fallback that is a server',
      { ...right, fallback: 'smtps://user:hunter2@example.com' },
      '`fallback` is a text of 32 characters; write { smtp, from, to }',
    ],
    [
      'smtp unset',
      mailOption({ smtp: undefined }),
      '`fallback.smtp`',
      'undefined; is SMTP_URL set?',
      'smtps://user:password@mail.example.com',
    ],
    ['smtp no URL', mailOption({ smtp: 'hunter2' }), '`fallback.smtp`', 'no smtp:// or smtps:// URL'],
    ['smtp a number', mailOption({ smtp: 25 }), '`fallback.smtp`', 'a number'],
    [
      'smtp misspelt',
      mailOption({ smpt: 'smtp://localhost' }),
      '`fallback.smpt` is not an option; did you mean `smtp`?',
    ],
    [
      'from unset',
      mailOption({ from: undefined }),
      '`fallback.from`',
      'undefined; is its environment variable set?',
      'write "sms@example.com"',
    ],
    ['to unset', mailOption({ to: undefined }), "`fallback.to` is undefined; write 'owner@example.com'"],
    [
      'to no address',
      mailOption({ to: 'nobody' }),
      '`fallback.to` is "nobody"; write \'owner@example.com\'',
      'a function of the event',
    ],
    [
      'a zone that is none',
      mailOption({ zone: 'Mars' }),
      '`fallback.zone` is "Mars"; write an IANA time zone such as \'Australia/Sydney\'',
    ],
    [
      'an engine that is a path',
      { ...right, engine: './sms.db' },
      '`engine` is "./sms.db"; write an engine such as sqlite(\'./smshook.db\')',
    ],
    [
      'a logger without methods',
      { ...right, logger: {} },
      '`logger` is an object; write a pino-like logger with info, warn and error',
    ],
    ['a start that is a text', { ...right, start: 'no' }, '`start` is "no"; write true or false'],
    ['no concurrency', { ...right, concurrency: 0 }, '`concurrency` is 0; write a whole number, 1 or more'],
    ['holdMs as a text', { ...right, holdMs: '15s' }, '`holdMs` is "15s"; write milliseconds'],
    [
      'addresses as a text',
      { ...right, allowAddresses: '10.0.0.0/8' },
      '`allowAddresses` is "10.0.0.0/8"; write a list such as',
    ],
    [
      'a network that is none',
      { ...right, allowAddresses: ['10.0.0.0/8', '10.0.0.0/33'] },
      '`allowAddresses.1` is "10.0.0.0/33"; write a CIDR such as',
    ],
  ])('%s', (_name, options, ...words) => {
    const message = complaint(() => smshook(options as SmshookOptions))
    for (const word of words) expect(message).toContain(word)
    expect(message).not.toMatch(/hunter2|Invalid input/)
  })

  test('every mistake at once, a misspelling first', () => {
    const lines = complaint(() => smshook({ ...without('fallback'), start: 1, fallbck: 1 } as never)).split(
      '\n',
    )
    expect(lines).toMatchObject([
      expect.stringContaining('`fallbck`'),
      expect.stringContaining('`fallback`'),
      expect.stringContaining('`start`'),
    ])
  })
})

describe('gateways', () => {
  test.each<[string, unknown, ...string[]]>([
    [
      'none although somebody is owed events',
      { ...without('gateways'), deliverTo: { crm: webhook } },
      'nothing comes in',
      '`gateways`',
    ],
    ['null', { ...right, gateways: undefined, gateway: null }, '`gateway` is null; write'],
    ['a text', { ...right, gateways: undefined, gateway: 'pbx' }, '`gateway` is "pbx"; write'],
    [
      'the function itself',
      { ...right, gateways: { pbx: urlNetworks } },
      '`gateways.pbx` is a function; write what the function of a gateway returns',
    ],
    ['a gateway where names are wanted', { ...right, gateways: pbx }, '`gateways`', '{ pbx: urlNetworks'],
    ['no names', { ...right, gateways: {} }, 'there is no gateway'],
    ['a name that is no path', { ...right, gateways: { 'my pbx': pbx } }, '"my pbx"', 'letters, digits'],
    [
      'the name that dispatched messages have',
      { ...right, gateways: { dispatch: pbx } },
      '`gateways.dispatch`',
      'another name',
    ],
    ['both', { ...right, gateway: pbx }, 'both `gateway` and `gateways`'],
  ])('%s', (_name, options, ...words) => {
    const message = complaint(() => smshook(options as SmshookOptions))
    for (const word of words) expect(message).toContain(word)
    expect(message.split('\n')).toHaveLength(1)
  })

  test.each<[string, unknown, ...string[]]>([
    ['unset', { token: undefined }, '`token` is undefined; is SMS_TOKEN set?', 'allowUnauthenticated: true'],
    ['empty', { token: '' }, '`token` is empty; is SMS_TOKEN set?'],
    ['a list of nothing', { token: [undefined] }, '`token` is', 'is SMS_TOKEN set?'],
    ['a number', { token: 8675309 }, '`token` is a number; write a text, or a list of texts'],
    ['misspelt', { tokn: 'sesame' }, '`tokn` is not an option; did you mean `token`?'],
  ])('a token %s', (_name, options, ...words) => {
    const message = complaint(() => urlNetworks(options as never))
    for (const word of words) expect(message).toContain(word)
    expect(message).not.toMatch(/8675309|sesame/)
  })
})

describe('the parts that stand alone', () => {
  test.each<[string, () => unknown, string]>([
    [
      'createRouter without accept',
      () => createRouter({ gateway: pbx } as never),
      '`accept` is undefined; write an async function',
    ],
    ['createRouter without a gateway', () => createRouter({ accept: async () => {} }), 'there is no gateway'],
    [
      'createDispatcher without options',
      () => createDispatcher(undefined as never),
      '`options` is undefined; write { engine, deliverTo, fallback }',
    ],
    [
      'createDispatcher without an engine',
      () => createDispatcher({ fallback } as never),
      '`engine` is undefined; write an engine such as',
    ],
    [
      'createDispatcher with a gateway',
      () => createDispatcher({ ...right } as never),
      '`gateways` is not an option',
    ],
    [
      'createMailer without a server',
      () => createMailer({ smtp: undefined, from: fallback.from }),
      'is SMTP_URL set?',
    ],
    ['sqlite without a path', () => sqlite('' as never), 'Write a file name'],
  ])('%s', (_name, make, words) => {
    expect(complaint(make)).toContain(words)
  })
})

test('an app without gateway and endpoints is an operator', async () => {
  const sms = smshook({ fallback: false, engine: sqlite(':memory:') })
  await sms.ready
  await sms.close()
})
