// What an operator owes at run time: a message, and an endpoint named with it.
import type { DispatchEndpoint, DispatchMessage, SmsEvent } from '../lib/index.ts'
import { EngineError, OptionsError, policies } from '../lib/index.ts'
import { deferred } from './support/deferred.ts'
import { smsEvent } from './support/events.ts'
import { openShop, openWebhook, type ShopOptions, soon } from './support/shop.ts'
import { until } from './support/until.ts'

const message = { from: '+61412345678', to: '+61298765432', text: 'Do you have roses?', messageId: 'm-1' }
const loopback = { allowAddresses: ['127.0.0.1'] }

const openOperator = async (options: ShopOptions = {}) => {
  const shop = await openShop({ gateways: undefined, ...loopback, ...options })
  await shop.sms.ready
  return shop
}

test('a message goes to the webhook named with it', async () => {
  const florist = await openWebhook(200)
  const { sms, signals, smtp } = await openOperator()
  expect(await sms.dispatch(message, { id: 'florist', url: florist.url, serviceId: 'service-1' })).toBe(
    'stored',
  )
  const { event, delivery } = await signals.nth('delivered')
  expect(florist.forms()).toMatchObject([
    {
      service_id: 'service-1',
      from: '+61412345678',
      sms_number: '+61298765432',
      body: 'Do you have roses?',
      message_id: event.id,
      webhook_url: florist.url,
    },
  ])
  expect(event).toMatchObject({ gateway: 'dispatch', identity: 'm-1', messageId: 'm-1', intent: null })
  expect(delivery.endpoint).toMatchObject({ id: 'florist', guarded: true })
  expect(smtp.received).toEqual([])
})

test('when its ten tries are spent the message goes to the address named with it', async () => {
  const dead = await openWebhook(500)
  const { sms, smtp } = await openOperator()
  const fallback = { to: ['florist@example.com', 'florist2@example.com'] }
  await sms.dispatch(message, { id: 'florist', url: dead.url, fallback, policy: soon })
  const { envelope, mail } = await smtp.next()
  expect(envelope.to).toEqual(fallback.to)
  expect(mail.text).toContain('Do you have roses?')
  expect(dead.asked).toHaveLength(10)
  expect(dead.forms()[0]!.webhook_url_fallback).toBe('florist@example.com')
})

test('a policy can be named, as in `deliverTo`', async () => {
  const florist = await openWebhook(200)
  const { sms, signals } = await openOperator()
  await sms.dispatch(message, { id: 'florist', url: florist.url, policy: 'standardWebhooks' })
  const { delivery } = await signals.nth('delivered')
  expect(delivery.endpoint.policy).toEqual(policies.standardWebhooks)
})

test('without an address of its own it goes to the general fallback', async () => {
  const dead = await openWebhook(500)
  const { sms, smtp } = await openOperator()
  await sms.dispatch(message, { id: 'florist', url: dead.url, policy: soon })
  expect((await smtp.next()).envelope.to).toEqual(['owner@example.com'])
})

describe('once for each message and endpoint', () => {
  test('a repeat is owed once', async () => {
    const florist = await openWebhook(200)
    const { sms, signals } = await openOperator()
    const endpoint = { id: 'florist', url: florist.url }
    const answers = await Promise.all([1, 2, 3].map(() => sms.dispatch(message, endpoint)))
    expect(answers.sort()).toEqual(['repeat', 'repeat', 'stored'])
    await signals.nth('delivered')
    expect(await sms.dispatch(message, endpoint)).toBe('repeat')
    expect(await sms.counts()).toMatchObject({ events: 1, deliveries: { delivered: 1, pending: 0 } })
    expect(signals.of('stored')).toHaveLength(1)
    expect(signals.of('repeat')).toHaveLength(3)
  })

  test('another endpoint joins the same message', async () => {
    const florist = await openWebhook(200)
    const baker = await openWebhook(200)
    const { sms, signals } = await openOperator()
    expect(await sms.dispatch(message, { id: 'florist', url: florist.url })).toBe('stored')
    expect(await sms.dispatch(message, { id: 'baker', url: baker.url })).toBe('stored')
    await signals.nth('delivered', 2)
    expect(await sms.counts()).toMatchObject({ events: 1, deliveries: { delivered: 2 } })
    const ids = new Set(signals.of('delivered').map(({ event }) => event.id))
    expect(ids.size).toBe(1)
    expect(signals.of('repeat')).toEqual([])
  })

  test('a message without an id of its own is another one each time', async () => {
    const florist = await openWebhook(200)
    const { sms, signals } = await openOperator()
    const { messageId: _, ...nameless } = message
    for (const _time of [1, 2]) await sms.dispatch(nameless, { id: 'florist', url: florist.url })
    await signals.nth('delivered', 2)
    expect((await sms.counts()).events).toBe(2)
  })
})

describe('a whole event', () => {
  test('is taken as it is', async () => {
    const florist = await openWebhook(200)
    const { sms, signals } = await openOperator()
    const event = smsEvent({ gateway: 'elsewhere', text: 'From another system' })
    expect(await sms.dispatch(event, { id: 'florist', url: florist.url })).toBe('stored')
    await signals.nth('delivered')
    expect((await sms.find(event.id))!.event).toEqual(event)
  })

  test('that came in through the router is joined and keeps its id', async () => {
    const florist = await openWebhook(200)
    const crm = await openWebhook(200)
    const shop = await openShop({ ...loopback, deliverTo: { crm: { url: crm.url } } })
    await shop.sms.ready
    const passOn = deferred<SmsEvent>()
    shop.sms.on('stored', ({ event, endpoints }) => endpoints[0] === 'crm' && passOn.resolve(event))
    await shop.text()
    const event = await passOn.promise
    expect(await shop.sms.dispatch(event, { id: 'florist', url: florist.url })).toBe('stored')
    await shop.signals.nth('delivered', 2)
    const found = (await shop.sms.find(event.id))!
    expect(found.event).toEqual(event)
    expect(found.deliveries.map(({ delivery }) => delivery.endpoint.id)).toEqual(['crm', 'florist'])
    expect((await shop.sms.counts()).events).toBe(1)
  })
})

describe('the address guard', () => {
  test.each([
    ['an address of this machine', 'http://127.0.0.1:9/sms'],
    ['a name of this machine', 'http://localhost:9/sms'],
    ['the cloud metadata address', 'http://169.254.169.254/latest'],
    ['a decimal address', 'http://2130706433/sms'],
  ])('blocks %s at each try; the email says so', async (_what, url) => {
    const { sms, smtp, signals } = await openOperator({ allowAddresses: undefined })
    await sms.dispatch(message, { id: 'florist', url, fallback: { to: 'florist@example.com' }, policy: soon })
    const { envelope, mail } = await smtp.next()
    expect(envelope.to).toEqual(['florist@example.com'])
    expect(mail.text).toContain('Do you have roses?')
    const outcomes = signals.of('attempt').map(({ attempt }) => attempt.outcome)
    expect(outcomes).toHaveLength(10)
    for (const outcome of outcomes) expect(outcome).toMatchObject({ type: 'error', code: 'blocked' })
  })

  test('judges by the configuration of the day, not by that of the dispatch', async () => {
    const florist = await openWebhook(200)
    const first = await openOperator({ start: false })
    await first.sms.dispatch(message, { id: 'florist', url: florist.url, policy: { tries: 1 } })
    await first.sms.close()
    const second = await openShop({ gateways: undefined }, { folder: first.folder })
    expect((await second.signals.nth('attempt')).attempt.outcome).toMatchObject({ code: 'blocked' })
    expect(florist.asked).toEqual([])
  })

  test('is not passed by the name of a configured endpoint', async () => {
    const crm = await openWebhook(200)
    const shop = await openShop({ deliverTo: { crm: { url: crm.url } } })
    await shop.sms.ready
    await shop.sms.dispatch(message, { id: 'crm', url: crm.url, policy: { tries: 1 } })
    expect((await shop.signals.nth('attempt')).attempt.outcome).toMatchObject({ code: 'blocked' })
    expect(crm.asked).toEqual([])
  })
})

test('ten at once for each id, so that one dead customer does not stall the others', async () => {
  let open = 0
  let most = 0
  const held: (() => void)[] = []
  const slow = await openWebhook((_n, response) => {
    open += 1
    most = Math.max(most, open)
    held.push(() => {
      open -= 1
      response.end()
    })
  })
  const quick = await openWebhook(200)
  const { sms, signals } = await openOperator()
  const policy = { timeoutMs: 60_000 }
  const owed = Array.from({ length: 25 }, (_, n) => ({ ...message, messageId: `m-${n}` }))
  await Promise.all(owed.map((one) => sms.dispatch(one, { id: 'slow', url: slow.url, policy })))
  await sms.dispatch(message, { id: 'quick', url: quick.url })
  await signals.nth('delivered')
  expect(quick.asked).toHaveLength(1)
  await until(() => open === 10)
  await until(() => {
    for (const release of held.splice(0)) release()
    return signals.of('delivered').length === 26
  })
  expect(most).toBe(10)
})

describe('bad input', () => {
  const endpoint = { id: 'florist', url: 'https://florist.example.com/sms' }
  test.each<[string, unknown, unknown, ...string[]]>([
    ['no message', undefined, endpoint, '`message` is undefined; write'],
    [
      'a text left out',
      { ...message, text: undefined },
      endpoint,
      '`message.text` is undefined; write the text',
    ],
    ['a number as a number', { ...message, to: 61298765432 }, endpoint, '`message.to`', 'as text'],
    [
      'a misspelling',
      { ...message, txt: 'x' },
      endpoint,
      '`message.txt` is not an option; did you mean `text`?',
    ],
    ['an event without its type', { ...smsEvent(), type: 'sms' }, endpoint, '`message.type`'],
    ['no endpoint', message, undefined, '`endpoint` is undefined; write'],
    ['no id', message, { url: endpoint.url }, '`endpoint.id` is undefined; write a name'],
    [
      'an id with a space',
      message,
      { ...endpoint, id: 'the florist' },
      '`endpoint.id` is "the florist"; write a name',
    ],
    [
      'the id that unwanted messages have',
      message,
      { ...endpoint, id: 'fallback' },
      '`endpoint.id`',
      'another',
    ],
    [
      'a URL of another kind',
      message,
      { ...endpoint, url: 'ftp://florist.example.com' },
      '`endpoint.url`',
      'write a URL',
    ],
    [
      'a fallback that is no address',
      message,
      { ...endpoint, fallback: { to: 'nobody' } },
      '`endpoint.fallback.to` is "nobody"',
    ],
    [
      'a fallback that is a function',
      message,
      { ...endpoint, fallback: { to: () => 'a@b.example' } },
      '`endpoint.fallback.to` is a function',
    ],
    ['a format that is none', message, { ...endpoint, format: 'json' }, '`endpoint.format` is "json"'],
    [
      'an event that the format cannot carry',
      smsEvent({ type: 'device.ping' }),
      endpoint,
      '`endpoint.format`',
      'cannot carry device.ping',
    ],
    ['a policy that is none', message, { ...endpoint, policy: 'smss' }, '`endpoint.policy` is "smss"'],
    ['standard without a secret', message, { ...endpoint, format: 'standard' }, '`endpoint.secret`'],
  ])('%s', async (_name, wrong, to, ...words) => {
    const { sms } = await openOperator({ start: false })
    const error = await sms
      .dispatch(wrong as DispatchMessage, to as DispatchEndpoint)
      .catch((thrown) => thrown)
    expect(error).toBeInstanceOf(OptionsError)
    for (const word of words) expect(error.message).toContain(word)
    expect(error.message).not.toMatch(/Invalid input|roses/)
    expect((await sms.counts()).events).toBe(0)
  })

  test('an address to mail to where there is no email', async () => {
    const { sms } = await openOperator({ fallback: false })
    const owed = sms.dispatch(message, { ...endpoint, fallback: { to: 'florist@example.com' } })
    await expect(owed).rejects.toThrow('`endpoint.fallback` wants an email, but `fallback` is false')
  })

  test('a store that is not open is an error, and nothing is owed', async () => {
    const { sms } = await openOperator()
    await sms.close()
    await expect(sms.dispatch(message, endpoint)).rejects.toThrow(EngineError)
  })
})
