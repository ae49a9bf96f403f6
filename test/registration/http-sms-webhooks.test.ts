// Registering with httpSMS, against a server that behaves like it.
import {
  type HttpSmsWebhooksOptions,
  httpSmsWebhooks,
  type WantedHttpSmsWebhook,
} from '../../lib/registration/http-sms-webhooks.ts'
import { complaint } from '../support/complaint.ts'
import { startHttp } from '../support/http-server.ts'
import { brokenId, type HttpSmsRow, httpSmsKey, startHttpSms } from '../support/http-sms-service.ts'
import { answerJson, type WebhookService } from '../support/webhook-service.ts'

const url = 'https://app.example.com/sms/phone/t0psecret'
const wanted: WantedHttpSmsWebhook = {
  url,
  signingKey: 'k3y',
  events: ['message.phone.received', 'message.call.missed'],
  phoneNumbers: ['+61412345678'],
}
const row: HttpSmsRow = {
  id: 'a',
  url,
  signing_key: 'k3y',
  events: ['message.call.missed', 'message.phone.received'],
  phone_numbers: ['+61412345678'],
}
let service: WebhookService<HttpSmsRow>

beforeEach(async () => {
  service = await startHttpSms()
})
afterEach(() => service.close())

const webhooks = (apiKey = httpSmsKey) => httpSmsWebhooks({ apiKey, baseUrl: service.url })
const calls = () => service.writes().map(({ method, path }) => `${method} ${path}`)
const faultOf = (call: Promise<unknown>) => call.then(() => null).catch((error) => error)

describe('httpSmsWebhooks', () => {
  test('lists none, all, and what is odd, never with a key', async () => {
    expect(await webhooks().list()).toEqual([])
    service.rows.push(
      row,
      { id: 'b', url, events: null, phone_numbers: null, signing_key: '' },
      { url },
      { id: 'c', url },
    )
    const { signing_key: _, phone_numbers: phoneNumbers, ...rest } = row
    expect(await webhooks().list()).toEqual([
      { ...rest, phoneNumbers, signed: true },
      { id: 'b', url, events: [], phoneNumbers: [], signed: false },
      { id: 'c', url, events: [], phoneNumbers: [], signed: null },
    ])
  })

  test('registers, replaces and removes', async () => {
    const added = await webhooks().register(wanted)
    expect(added).toMatchObject({ url, phoneNumbers: wanted.phoneNumbers, signed: true })
    expect(service.rows).toEqual([{ ...row, id: added.id, events: wanted.events }])

    await webhooks().register({ ...wanted, id: added.id, events: ['message.send.failed'] })
    expect(service.rows).toEqual([{ ...row, id: added.id, events: ['message.send.failed'] }])

    await webhooks().remove(added.id)
    expect(service.rows).toEqual([])
  })

  test('an id with a slash', async () => {
    service.rows.push({ ...row, id: 'a/b' }, row)
    await webhooks().remove('a/b')
    expect(service.rows).toEqual([row])
  })

  test('a refused key', async () => {
    expect(await faultOf(webhooks('wr0ng-key').list())).toMatchObject({
      name: 'RegistrationError',
      code: 'registration-login',
      status: 401,
      message: expect.not.stringContaining('wr0ng-key'),
    })
  })

  test('the eleventh webhook', async () => {
    service.rows.push(...Array.from({ length: 10 }, (_, n) => ({ ...row, id: `${n}`, url: `${url}/${n}` })))
    expect(await faultOf(webhooks().ensure(wanted))).toMatchObject({
      code: 'registration-limit',
      status: 402,
      message: expect.stringContaining('You may have 10 webhooks'),
    })
  })

  test('what is refused is said field by field, without key, address and number', async () => {
    const fault = await faultOf(webhooks().register({ ...wanted, phoneNumbers: ['+61400000999'] }))
    expect(fault).toMatchObject({ code: 'registration-invalid', status: 422 })
    expect(fault.message).toContain(
      '"validation errors; from: The phone number [...999] is not available for *** with ***"',
    )
  })

  test('an unknown id is told apart from a failure of the service', async () => {
    const unknown = { code: 'registration-unknown', status: 500 }
    expect(await faultOf(webhooks().remove('nowhere'))).toMatchObject(unknown)
    expect(await faultOf(webhooks().register({ ...wanted, id: 'nowhere' }))).toMatchObject(unknown)

    service.rows.push({ ...row, id: brokenId })
    const failure = { code: 'registration-unavailable', status: 500 }
    expect(await faultOf(webhooks().remove(brokenId))).toMatchObject(failure)
  })
})

describe('ensure of httpSmsWebhooks', () => {
  test('adds what is missing, and the second time asks only', async () => {
    const other = { ...row, id: 'other', url: `${url}/` }
    service.rows.push(other)
    const { added, ...rest } = await webhooks().ensure(wanted)
    expect(added).toMatchObject([{ url, signed: true }])
    expect(rest).toEqual({ changed: [], removed: [], kept: [] })

    const second = await webhooks().ensure({ ...wanted, events: [...wanted.events].reverse() })
    expect(second).toEqual({ added: [], changed: [], removed: [], kept: added })
    expect(calls()).toEqual(['POST /v1/webhooks'])
    expect(service.rows[0]).toEqual(other)
  })

  test.each<[string, HttpSmsRow]>([
    ['events', { ...row, events: ['message.phone.received'] }],
    ['events, one too many', { ...row, events: [...row.events!, 'message.phone.sent'] }],
    ['numbers', { ...row, phone_numbers: ['61412345678'] }],
    ['key', { ...row, signing_key: 'old' }],
    ['key, cleared', { ...row, signing_key: '' }],
  ])('puts right what differs in its %s, key included', async (_what, present) => {
    service.rows.push(present)
    const done = await webhooks().ensure(wanted)
    expect(done).toMatchObject({ added: [], changed: [{ id: 'a' }], removed: [], kept: [] })
    expect(calls()).toEqual(['PUT /v1/webhooks/a'])
    expect(service.rows).toEqual([{ ...row, events: wanted.events }])
  })

  test('keeps the right one of several and removes the others', async () => {
    service.rows.push({ ...row, id: 'c' }, { ...row, id: 'b' }, { ...row, signing_key: 'old' })
    const done = await webhooks().ensure(wanted)
    expect(done.kept.map(({ id }) => id)).toEqual(['b'])
    expect(done.removed.map(({ id }) => id)).toEqual(['c', 'a'])
    expect(service.rows.map(({ id }) => id)).toEqual(['b'])
  })

  test('another process may have been quicker to remove', async () => {
    const lists = [[row, { ...row, id: 'b' }], [row]]
    const server = await startHttp(({ method }, response) =>
      answerJson(
        response,
        method === 'GET' ? { status: 200, body: { data: lists.shift() } } : { status: 500 },
      ),
    )
    const { ensure } = httpSmsWebhooks({ apiKey: httpSmsKey, baseUrl: server.url })
    const { kept } = await ensure(wanted).finally(server.close)
    expect(kept).toMatchObject([{ id: 'a' }])
    expect(server.asked.map(({ method }) => method)).toEqual(['GET', 'DELETE', 'GET'])
  })

  test('a key that is not shown is taken for right', async () => {
    await service.close()
    service = await startHttpSms({ hidesKey: true })
    service.rows.push({ ...row, signing_key: 'old' })
    expect(await webhooks().ensure(wanted)).toMatchObject({ changed: [], kept: [{ id: 'a', signed: null }] })
    await webhooks().ensure({ ...wanted, events: ['message.phone.sent'] })
    expect(service.rows[0]!.signing_key).toBe('k3y')
  })
})

describe('options of httpSmsWebhooks', () => {
  test.each([
    [{ apiKey: undefined }, /`apiKey` is undefined; is HTTPSMS_API_KEY set\?/],
    [{ apiKey: ' \n' }, /`apiKey` is empty/],
    [{ apiKey: 'k3y\u00e9' }, /`apiKey` holds a space or a letter/],
    [{ apikey: 'k3y' }, /`apikey` is not an option; did you mean `apiKey`/],
  ])('%j', (options, message) => {
    const said = complaint(() => httpSmsWebhooks(options as unknown as HttpSmsWebhooksOptions))
    expect(said).toMatch(message)
    expect(said).not.toContain('k3y')
  })

  test.each([
    [{ signingKey: undefined }, /`signingKey` is undefined; write the gateway's `secret`/],
    [{ signingKey: ' ' }, /`signingKey` is a text of 1 characters; write the gateway's `secret`/],
    [{ phoneNumbers: [] }, /`phoneNumbers` is a list of 0; write a list of the account's numbers/],
    [{ phoneNumbers: ['0498765432'] }, /`phoneNumbers.0`: not a number in E\.164/],
    [{ phoneNumbers: ['+61412345678', '+61 498 765 432'] }, /`phoneNumbers.1`: not a number in E\.164/],
    [{ events: ['message.received'] }, /`events.0` is "message.received"; did you mean/],
    [{ url: 't0psecret' }, /`url`: not an http or https URL/],
  ])('wanting %j', async (change, message) => {
    for (const method of ['ensure', 'register'] as const) {
      const fault = await faultOf(webhooks()[method]({ ...wanted, ...change } as WantedHttpSmsWebhook))
      expect(fault).toMatchObject({ code: 'options-invalid', message: expect.stringMatching(message) })
      expect(fault.message).not.toMatch(/765432|765 432|t0psecret/)
    }
    expect(service.writes()).toEqual([])
  })
})
