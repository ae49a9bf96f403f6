// Ten tries, then the email, as one promise with no store.
import { createMailer, type DeliverTo, deliver, OptionsError } from '../lib/index.ts'
import { smsEvent } from './support/events.ts'
import { manualClock } from './support/manual-clock.ts'
import { openSmtp, openWebhook, soon } from './support/shop.ts'
import { until } from './support/until.ts'

const event = smsEvent({ text: 'Do you have roses?' })

const openMailer = async (options?: Parameters<typeof openSmtp>[0]) => {
  const smtp = await openSmtp(options)
  const mailer = createMailer({ smtp: smtp.url, from: 'sms@example.com' })
  return { smtp, mailer }
}

test('resolves as delivered when the webhook takes it', async () => {
  const webhook = await openWebhook((n, response) => response.writeHead(n < 3 ? 503 : 200).end())
  const { smtp, mailer } = await openMailer()
  const endpoint = { url: webhook.url, policy: soon, fallback: { to: 'owner@example.com' } }
  const { state, attempts, mail } = await deliver(event, endpoint, { mailer })
  mailer.close()
  expect(state).toBe('delivered')
  expect(attempts.map(({ n, outcome }) => [n, outcome.type === 'answer' && outcome.status])).toEqual([
    [1, 503],
    [2, 503],
    [3, 200],
  ])
  expect(mail).toBeNull()
  expect(smtp.received).toEqual([])
  expect(webhook.forms()[0]).toMatchObject({
    body: 'Do you have roses?',
    webhook_url_fallback: 'owner@example.com',
  })
})

test('after ten tries the message goes out by email, which does not claim that it is stored', async () => {
  const webhook = await openWebhook(500)
  const { smtp, mailer } = await openMailer()
  const endpoint = { url: webhook.url, policy: soon, fallback: { to: ['a@example.com', 'b@example.com'] } }
  const { state, attempts, mail } = await deliver(event, endpoint, { mailer })
  mailer.close()
  expect(state).toBe('emailed')
  expect(attempts).toHaveLength(10)
  expect(mail).toMatchObject({ type: 'sent' })
  const { envelope, mail: received } = await smtp.next()
  expect(envelope.to).toEqual(['a@example.com', 'b@example.com'])
  expect(received.text).toContain('Do you have roses?')
  expect(received.text).toContain('did not answer 200 in 10 tries')
  expect(`${received.text} ${received.html}`).not.toMatch(/stored|replay/i)
})

test('waits between the tries as its policy says', async () => {
  const webhook = await openWebhook(500)
  const clock = manualClock()
  const delivered = deliver(
    event,
    { url: webhook.url, policy: { tries: 3, delaysMs: [60_000, 3_600_000] } },
    { clock },
  )
  for (const [tries, delayMs] of [
    [1, 60_000],
    [2, 3_600_000],
  ] as const) {
    await until(() => webhook.asked.length === tries && clock.waiting === 1)
    await clock.advance(delayMs - 1)
    expect(webhook.asked).toHaveLength(tries)
    // Jitter adds at most a tenth.
    await clock.advance(1 + delayMs / 10)
  }
  expect((await delivered).attempts).toHaveLength(3)
})

test('a message of three words is enough', async () => {
  const webhook = await openWebhook(200)
  const message = { from: '+61412345678', to: '+61298765432', text: 'Do you have roses?' }
  expect(await deliver(message, { url: webhook.url })).toMatchObject({ state: 'delivered' })
  expect(webhook.forms()).toMatchObject([{ body: 'Do you have roses?', sms_number: '+61298765432' }])
})

test('without an address it ends as failed', async () => {
  const webhook = await openWebhook(500)
  const { smtp, mailer } = await openMailer()
  const dead = { url: webhook.url, policy: soon }
  const nobody = await deliver(event, dead, { mailer })
  expect(nobody).toMatchObject({ state: 'failed', mail: null })
  expect(nobody.attempts).toHaveLength(10)
  mailer.close()
  expect(smtp.received).toEqual([])
})

test('a handler is an endpoint too, and so is an email address', async () => {
  const { smtp, mailer } = await openMailer()
  const texts: (string | null)[] = []
  const handled = await deliver(event, { handler: ({ text }) => texts.push(text) })
  expect(handled).toMatchObject({ state: 'delivered', attempts: [{ n: 1, outcome: { type: 'done' } }] })
  expect(texts).toEqual(['Do you have roses?'])

  const mailed = await deliver(event, { email: 'owner@example.com' }, { mailer })
  mailer.close()
  expect(mailed).toMatchObject({ state: 'emailed', attempts: [] })
  expect((await smtp.next()).mail.text).toContain('Do you have roses?')
})

test('recipients may be a function of the event', async () => {
  const { smtp, mailer } = await openMailer()
  const to = async ({ to }: { to: { e164: string | null } | null }) => `${to!.e164!.slice(1)}@example.com`
  const handler = () => {
    throw new Error('no')
  }
  await deliver(event, { handler, policy: soon, fallback: { to } }, { mailer })
  mailer.close()
  expect((await smtp.next()).envelope.to).toEqual(['61298765432@example.com'])
})

test('recipients that cannot be found are an outcome, and the tries are not lost', async () => {
  const { mailer } = await openMailer()
  const webhook = await openWebhook(500)
  const endpoint = { url: webhook.url, policy: soon, fallback: { to: () => 'nobody' } }
  const { state, attempts, mail } = await deliver(event, endpoint, { mailer })
  mailer.close()
  expect([state, attempts.length]).toEqual(['failed', 10])
  expect(mail).toMatchObject({ type: 'error', code: 'recipient' })
})

describe('the email has tries of its own', () => {
  test('a busy mail server is tried again, with the same Message-ID', async () => {
    const { smtp, mailer } = await openMailer({ behave: 'reject' })
    await smtp.behave('drop')
    const clock = manualClock()
    const delivered = deliver(event, { email: 'owner@example.com' }, { mailer, clock })
    await until(() => smtp.received.length === 1 && clock.waiting === 1)
    await smtp.behave('accept')
    // Nothing here says how long the wait is: only that there is one and that it ends.
    await clock.advance(86_400_000)
    expect(await delivered).toMatchObject({ state: 'emailed', mail: { type: 'sent' } })
    mailer.close()
    const ids = smtp.received.map(({ mail }) => mail.messageId)
    expect(ids).toHaveLength(2)
    expect(new Set(ids).size).toBe(1)
  })

  test('a refusal for good is an outcome', async () => {
    const { mailer } = await openMailer({ behave: 'refuse' })
    const { state, mail } = await deliver(event, { email: 'owner@example.com' }, { mailer })
    mailer.close()
    expect(state).toBe('failed')
    expect(mail).toMatchObject({ type: 'error', permanent: true })
  })
})

describe('bad input', () => {
  const endpoint: DeliverTo = { url: 'https://crm.example.com/sms' }
  test.each<[string, unknown[], ...string[]]>([
    ['no event', [undefined, endpoint], '`message` is undefined; write'],
    ['an event without its text', [{ ...event, text: undefined }, endpoint], '`message.text`'],
    [
      'an event that the format cannot carry',
      [{ ...event, type: 'call.missed' }, endpoint],
      'cannot carry call.missed',
    ],
    ['an email without a mailer', [event, { email: 'a@b.example' }], '`endpoint` wants an email'],
    [
      'a fallback without a mailer',
      [event, { ...endpoint, fallback: { to: 'a@b.example' } }],
      'write { mailer: createMailer',
    ],
    ['no endpoint', [event, undefined], '`endpoint` is undefined; write an object such as { url'],
    [
      'a misspelt endpoint',
      [event, { ulr: 'https://x.example' }],
      '`endpoint.ulr` is not an option; did you mean `url`?',
    ],
    [
      'a misspelt mailer',
      [event, endpoint, { maler: {} }],
      '`options.maler` is not an option; did you mean `mailer`?',
    ],
    [
      'a mailer that is none',
      [event, endpoint, { mailer: 'smtp://user:hunter2@localhost' }],
      '`options.mailer`',
      'write what createMailer returns',
    ],
  ])('%s', async (_name, given, ...words) => {
    const call = deliver as (...all: unknown[]) => Promise<unknown>
    const error = (await call(...given).catch((thrown) => thrown)) as Error
    expect(error).toBeInstanceOf(OptionsError)
    for (const word of words) expect(error.message).toContain(word)
    expect(error.message).not.toMatch(/hunter2|Invalid input/)
  })
})
