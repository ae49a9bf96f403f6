// Registering with SMS Gateway for Android, against a server that behaves like it.
import { type SmsGateWebhooksOptions, smsGateWebhooks } from '../../lib/registration/sms-gate-webhooks.ts'
import { complaint } from '../support/complaint.ts'
import { type SmsGateRow, smsGateLogin, smsGateToken, startSmsGate } from '../support/sms-gate-service.ts'
import type { WebhookService } from '../support/webhook-service.ts'

const url = 'https://app.example.com/sms/phone/t0psecret'
let service: WebhookService<SmsGateRow>

beforeEach(async () => {
  service = await startSmsGate()
})
afterEach(() => service.close())

const webhooks = (options: Partial<SmsGateWebhooksOptions> = smsGateLogin) =>
  smsGateWebhooks({ baseUrl: service.url, ...options })
const bodies = () => service.writes().map(({ body }) => JSON.parse(body))
const calls = () => service.writes().map(({ method, path }) => `${method} ${path}`)

describe('smsGateWebhooks', () => {
  test.each([[smsGateLogin], [{ token: smsGateToken }], [{ token: `${smsGateToken}\n` }]])(
    'logs in with %j',
    async (login) => {
      expect(await webhooks(login).list()).toEqual([])
    },
  )

  test('a refused login is said without showing it', async () => {
    const refused = await webhooks({ username: 'owner', password: 'wr0ngword' })
      .list()
      .catch((error) => error)
    expect(refused).toMatchObject({
      name: 'RegistrationError',
      code: 'registration-login',
      status: 401,
      message: expect.stringMatching(/127\.0\.0\.1.* answered 401, "no one logs in with Basic \*\*\*"/),
    })
  })

  test('lists what is odd, and leaves out what cannot be named', async () => {
    const odd = [null, 'text', {}, { id: 7, url }, { id: 'a', url, event: null, deviceId: null }]
    service.rows.push(...(odd as SmsGateRow[]), { id: 'b', url, event: 'sms:new-kind', deviceId: 'phone' })
    expect(await webhooks().list()).toEqual([
      { id: 'a', url, event: '', deviceId: null },
      { id: 'b', url, event: 'sms:new-kind', deviceId: 'phone' },
    ])
  })

  test('registering the same twice makes one webhook', async () => {
    const first = await webhooks().register({ url, event: 'sms:received' })
    const second = await webhooks().register({ url, event: 'sms:received' })
    expect(second).toEqual(first)
    expect(service.rows).toEqual([{ id: first.id, url, event: 'sms:received' }])
    expect(first.id.length).toBeLessThanOrEqual(36)
  })

  test('the device is named as the service names it; an id of ones own replaces', async () => {
    await webhooks().register({ id: 'mine', url, event: 'sms:received', deviceId: 'phone' })
    await webhooks().register({ id: 'mine', url, event: 'sms:sent', deviceId: null })
    expect(bodies()[0]).toEqual({ id: 'mine', url, event: 'sms:received', deviceId: 'phone' })
    expect(service.rows).toEqual([{ id: 'mine', url, event: 'sms:sent' }])
  })

  test('removes by an id with a slash, and what is not there', async () => {
    service.rows.push({ id: 'a/b?c', url, event: 'sms:sent' }, { id: 'a', url, event: 'sms:sent' })
    await webhooks().remove('a/b?c')
    await webhooks().remove('a/b?c')
    expect(service.rows.map(({ id }) => id)).toEqual(['a'])
  })

  test('a refused webhook is said in the words of the service, without its address', async () => {
    const refused = await webhooks()
      .register({ url, event: 'sms:received', deviceId: 'stranger' })
      .catch((error) => error)
    expect(refused).toMatchObject({
      code: 'registration-invalid',
      status: 400,
      message: expect.stringContaining('answered 400, "no such device for ***"'),
    })
  })
})

describe('ensure of smsGateWebhooks', () => {
  const events = ['sms:received', 'mms:downloaded'] as const
  const wanted = { url, events: [...events] }

  test('registers what is missing, and the second time asks only', async () => {
    const first = await webhooks().ensure(wanted)
    expect(first.added.map(({ event }) => event)).toEqual(events)
    expect(first).toMatchObject({ changed: [], removed: [], kept: [] })
    expect(await webhooks().list()).toEqual(first.added)

    const second = await webhooks().ensure(wanted)
    expect(second).toEqual({ added: [], changed: [], removed: [], kept: first.added })
    expect(service.writes()).toHaveLength(2)
  })

  test('removes what is twice or no longer wanted, after adding, and at this URL only', async () => {
    const other = { id: 'other', url: `${url}/`, event: 'sms:received' }
    service.rows.push(
      { id: 'z', url, event: 'sms:received' },
      { id: 'b', url, event: 'sms:received' },
      { id: 'c', url, event: 'sms:sent' },
      { id: 'd', url, event: 'sms:received', deviceId: 'phone' },
      other,
    )
    const done = await webhooks().ensure({ url, events: ['sms:received', 'sms:failed', 'sms:received'] })
    expect(done.kept.map(({ id }) => id)).toEqual(['b'])
    expect(done.added.map(({ event }) => event)).toEqual(['sms:failed'])
    expect(done.removed.map(({ id }) => id)).toEqual(['c', 'd', 'z'])
    expect(calls()).toEqual(['POST /webhooks', ...['c', 'd', 'z'].map((id) => `DELETE /webhooks/${id}`)])
    expect(service.rows).toContainEqual(other)
    expect(await webhooks().ensure({ url, events: ['sms:failed', 'sms:received'] })).toMatchObject({
      added: [],
      removed: [],
    })
  })

  test('several devices share a URL', async () => {
    const two = { ...wanted, deviceId: ['one', 'two', 'one'] }
    expect((await webhooks().ensure(two)).added).toHaveLength(4)
    expect((await webhooks().ensure(two)).kept).toHaveLength(4)
    const moved = await webhooks().ensure({ ...wanted, deviceId: 'two' })
    expect(moved.removed.map(({ deviceId }) => deviceId)).toEqual(['one', 'one'])
    expect(moved.kept).toHaveLength(2)
  })

  test('a phone that forgets which device was named is left alone', async () => {
    await service.close()
    service = await startSmsGate({ forgetsDevice: true })
    await webhooks().ensure({ ...wanted, deviceId: 'phone' })
    const again = await webhooks().ensure({ ...wanted, deviceId: 'phone' })
    expect(again).toMatchObject({ added: [], changed: [], removed: [] })
    expect(service.writes()).toHaveLength(2)
  })

  test('what someone changed under our id is put right, not removed', async () => {
    const { added } = await webhooks().ensure({ url, events: ['sms:received'] })
    service.rows[0]!.event = 'sms:sent'
    const done = await webhooks().ensure({ url, events: ['sms:received'] })
    expect(done).toEqual({ added: [], changed: added, removed: [], kept: [] })
    expect(await webhooks().list()).toEqual(added)
  })
})

describe('options of smsGateWebhooks', () => {
  test.each([
    [{}, /`username` is undefined; write `username` and `password`, or `token` \(is an environment/],
    [{ username: 'owner', password: '' }, /`password` is empty/],
    [{ username: 'owner', password: 'pa55', token: 'x' }, /`token` and `username` and `password` exclude/],
    [{ token: 'se cret' }, /`token` holds a space or a letter that no key has/],
    [{ tokn: 'x' }, /`tokn` is not an option; did you mean `token`/],
    [{ token: 'x', timeoutMs: 0 }, /`timeoutMs` is 0; write milliseconds, from 1 to/],
    [{ token: 'x', baseUrl: undefined }, /`baseUrl` is undefined; is its environment variable set\?/],
    [{ token: 'x', baseUrl: 'phone:8080' }, /`baseUrl` is "phone:8080"; write a URL such as/],
    [{ token: 'x', baseUrl: 'http://api.sms-gate.app/3rdparty/v1' }, /`baseUrl`: the login would travel/],
    [{ token: 'x', baseUrl: 'http://8.8.8.8:8080' }, /`baseUrl`: the login would travel/],
    [{ token: 'x', baseUrl: 'http://134744072' }, /`baseUrl`: the login would travel/],
    [{ token: 'x', baseUrl: 'http://[2001:4860:4860::8888]:8080' }, /`baseUrl`: the login would travel/],
    [{ token: 'x', baseUrl: 'https://a:pa55@example.com' }, /`baseUrl` is a text of \d+.*without login/],
  ])('%j', (options, message) => {
    const said = complaint(() => smsGateWebhooks(options as SmsGateWebhooksOptions))
    expect(said).toMatch(message)
    expect(said).not.toMatch(/pa55|se cret/)
  })

  test.each([
    'http://192.168.1.5:8080',
    'http://phone:8080/',
    'http://phone.local:8080',
    'http://[::1]:8080',
    'https://sms.example.com/api/3rdparty/v1',
  ])('a base URL may be %s', (baseUrl) => {
    expect(() => smsGateWebhooks({ baseUrl, token: 'x' })).not.toThrow()
  })

  test.each([
    [{ url, events: [] }, /`events` is a list of 0; write a list of sms:received/],
    [{ url, events: ['sms:recieved'] }, /`events.0` is "sms:recieved"; did you mean `sms:received`/],
    [{ url: 'app.example.com/t0psecret', events: ['sms:sent'] }, /`url`: not an http or https URL/],
    [{ url: 'http://app.example.com', events: ['sms:sent'] }, /`url`: the cloud takes https only/],
    [{ url, events: ['sms:sent'], device_id: 'x' }, /`device_id` is not an option; did you mean `deviceId`/],
  ])('%j is not wanted', async (wanted, message) => {
    const said = smsGateWebhooks({ token: 'x' }).ensure(wanted as never)
    await expect(said).rejects.toMatchObject({ code: 'options-invalid' })
    await expect(said).rejects.toThrow(message)
    await expect(said).rejects.not.toThrow(/t0psecret/)
  })

  test.each(['', '.', '..'])('%j is no id', async (id) => {
    await expect(webhooks().remove(id)).rejects.toMatchObject({ code: 'options-invalid' })
    expect(service.writes()).toEqual([])
  })
})
