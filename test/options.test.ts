// How a wrong option is put into words, over schemas made for it. What each part of the library says about its
// own options is tested with that part.
import { z } from 'zod'
import { checkOptions } from '../lib/options.ts'
import { complaint } from './support/complaint.ts'

const schema = z.strictObject({
  port: z.number().int().min(1).describe('a whole number, 1 or more').optional(),
  token: z.string().min(5).describe('a text of 5 characters or more').optional(),
  mode: z.enum(['quick', 'careful']).describe("'quick' or 'careful'").optional(),
  server: z
    .union([
      z.literal(false),
      z.strictObject({ host: z.string().describe('a host name'), smtp: z.string().optional() }),
    ])
    .describe('{ host }, or false')
    .optional(),
  names: z
    .record(z.string().regex(/^[a-z]+$/, 'use small letters'), z.number())
    .describe('numbers by name')
    .optional(),
  list: z.array(z.string()).describe('a list of texts').optional(),
  even: z
    .number()
    .refine((number) => number % 2 === 0, 'it must be even')
    .optional(),
})
const saying = (value: unknown, root?: string) => complaint(() => checkOptions(schema, value, root))

test('what is right is returned as the schema reads it', () => {
  const trimming = z.strictObject({ name: z.string().trim().default('nobody') })
  expect(checkOptions(trimming, { name: ' Bob ' })).toEqual({ name: 'Bob' })
  expect(checkOptions(trimming, {})).toEqual({ name: 'nobody' })
})

test.each<[unknown, string]>([
  [{ port: 0 }, '`port` is 0; write a whole number, 1 or more'],
  [{ port: 'http' }, '`port` is "http"; write a whole number, 1 or more'],
  [{ port: null }, '`port` is null; write a whole number, 1 or more'],
  [{ port: () => {} }, '`port` is a function; write a whole number, 1 or more'],
  [{ port: [1, 2] }, '`port` is a list of 2; write a whole number, 1 or more'],
  [{ port: { number: 1 } }, '`port` is an object; write a whole number, 1 or more'],
  [{ port: Number.NaN }, '`port` is NaN; write a whole number, 1 or more'],
  [{ port: 10n }, '`port` is 10; write a whole number, 1 or more'],
  [{ port: Symbol('one') }, '`port` is Symbol(one); write a whole number, 1 or more'],
  [{ even: 3 }, '`even`: it must be even'],
  [{ list: 'a' }, '`list` is "a"; write a list of texts'],
  [{ list: ['a', 7] }, '`list.1` is 7; write a list of texts'],
  [{ names: { Bob: 1 } }, '`names.Bob`: use small letters'],
  [{ names: { bob: 'x' } }, '`names.bob` is "x"; write numbers by name'],
  [{ server: true }, '`server` is true; write { host }, or false'],
  [{ server: {} }, '`server.host` is undefined; write a host name'],
  [{ mode: 'quik' }, '`mode` is "quik"; did you mean `quick`? (known here: quick, careful)'],
  [{ mode: 7 }, "`mode` is 7; write 'quick' or 'careful'"],
  [{ prot: 1 }, '`prot` is not an option; did you mean `port`?'],
  [
    { server: { host: 'a', hots: 'b' } },
    '`server.hots` is not an option; did you mean `host`? (known here: host, smtp)',
  ],
])('%p', (value, expected) => {
  expect(saying(value)).toContain(expected)
})

test('a name that is near to none is not guessed at', () => {
  const message = saying({ zzzzzzzzzzzz: 1 })
  expect(message).toContain('`zzzzzzzzzzzz` is not an option; (known here: port, token, mode')
  expect(message).not.toContain('did you mean')
})

test('every fault has a line, misspellings first', () => {
  expect(saying({ port: 0, list: 1, moed: 'quick' }).split('\n')).toEqual([
    expect.stringMatching(/^`moed` is not an option; did you mean `mode`\?/),
    expect.stringMatching(/^`port` is 0/),
    expect.stringMatching(/^`list` is 1/),
  ])
})

test('the option that holds the value is named', () => {
  expect(saying({ port: 0 }, 'server')).toContain('`server.port` is 0')
  expect(saying(7, 'server')).toContain('`server` is 7')
  expect(saying(undefined)).toContain('`options` is undefined')
})

describe('secrets are described, not shown', () => {
  test.each<[unknown, string]>([
    [{ token: 'shh!' }, '`token` is a text of 4 characters; write a text of 5'],
    [{ token: 1234 }, '`token` is a number'],
    [{ token: undefined, port: '' }, '`port` is ""'],
    [{ server: { host: 7, smtp: 8 } }, '`server.smtp` is a number'],
    [{ port: 'smtp://user:hunter2@example.com' }, '`port` is a text of 31 characters'],
    [{ port: 'user:hunter2@example.com' }, '`port` is a text of 24 characters'],
    [{ port: 'https://example.com/?key=hunter2' }, '`port` is a text of 32 characters'],
  ])('%p', (value, expected) => {
    const message = saying(value)
    expect(message).toContain(expected)
    expect(message).not.toMatch(/shh|1234|hunter2/)
  })

  test('a long value is cut', () => {
    expect(saying({ port: 'x'.repeat(1000) }).length).toBeLessThan(150)
  })
})

test('an environment variable that is unset is undefined, which an optional option may be', () => {
  expect(checkOptions(schema, { token: process.env.NO_SUCH_VARIABLE })).toEqual({ token: undefined })
  const needed = z.strictObject({ token: z.string().describe('a text (is SMS_TOKEN set?)') })
  expect(complaint(() => checkOptions(needed, { token: process.env.NO_SUCH_VARIABLE }))).toBe(
    '`token` is undefined; write a text (is SMS_TOKEN set?)',
  )
})
