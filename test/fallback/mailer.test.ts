import { connect } from 'node:net'
import { createTransport } from 'nodemailer'
import { OptionsError } from '../../lib/errors.ts'
import { letter, testLetter } from '../../lib/fallback/letter.ts'
import { createMailer, type MailerOptions } from '../../lib/fallback/mailer.ts'
import { manualClock, settled } from '../support/manual-clock.ts'
import { type Smtp, type SmtpMode, type SmtpOptions, startSmtp } from '../support/smtp.ts'
import { letterContext, story } from '../support/stories.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const server = async (options?: SmtpOptions): Promise<Smtp> => {
  const smtp = await startSmtp(options)
  closing.push(smtp.close)
  return smtp
}

const mailerFor = (smtp: MailerOptions['smtp'], from = 'Texts <sms@example.com>') => {
  const mailer = createMailer({ smtp, from })
  closing.push(mailer.close)
  return mailer
}

const sample = (to = ['owner@example.com']) =>
  letter(
    [story({ event: { text: 'the secret plan' } })],
    letterContext({ mail: { ...letterContext().mail, to } }),
  )

describe('what the mail server answers', () => {
  test('a mail that was taken arrives with its envelope and names', async () => {
    const smtp = await server()
    const outcome = await mailerFor(smtp.url).send(sample())
    expect(outcome).toMatchObject({ type: 'sent', rejected: [], response: expect.stringMatching(/^250/) })
    const { envelope, mail, raw } = await smtp.next()
    expect(envelope).toEqual({ from: 'sms@example.com', to: ['owner@example.com'] })
    expect(mail.from?.value).toEqual([{ name: 'Texts', address: 'sms@example.com' }])
    expect(mail.messageId).toBe('<abc@example.com>')
    expect(mail.date).toEqual(new Date(letterContext().mail.createdAt))
    expect(raw).not.toMatch(/^(Bcc|Cc|Reply-To):/im)
  })

  const temporary = { type: 'error', permanent: false, operator: false }
  const forGood = { type: 'error', permanent: true, operator: false }
  const setUp = { type: 'error', permanent: false, operator: true }
  const answers: [SmtpMode, object][] = [
    ['busy', { ...temporary, code: 'recipient' }],
    ['full', { ...temporary, code: 'recipient' }],
    ['drop', { ...temporary, code: 'connection' }],
    ['down', { ...temporary, code: 'connection' }],
    ['refuse', { ...forGood, code: 'recipient' }],
    ['reject', { ...forGood, code: 'message' }],
    ['no-greeting', { ...setUp, code: 'greeting' }],
    ['no-login', { ...setUp, code: 'login' }],
  ]
  test.each(answers)('%s', async (behave, expected) => {
    const smtp = await server({ behave, login: { user: 'me', pass: 'hunter2' } })
    const url = smtp.url.replace('//', '//me:hunter2@')
    expect(await mailerFor(url).send(sample())).toMatchObject(expected)
  })

  test('a server that asks for a login which nobody configured is the operator’s', async () => {
    const smtp = await server({ login: { user: 'me', pass: 'hunter2' } })
    expect(await mailerFor(smtp.url).send(sample())).toMatchObject({ ...setUp, code: 'login' })
  })

  test('a certificate that nobody trusts is the operator’s, except on this machine', async () => {
    const smtp = await server({ starttls: true })
    const strict = mailerFor(`${smtp.url}?requireTLS=true`)
    expect(await strict.send(sample())).toMatchObject({ ...setUp, code: 'tls' })
    expect(await mailerFor(smtp.url).send(sample())).toMatchObject({ type: 'sent' })
  })

  /** A mail server elsewhere, which is our own behind a socket of the test's. */
  const elsewhere = (smtp: Smtp, url: string): MailerOptions['smtp'] => ({
    url,
    getSocket: (_options, done) => {
      const connection = connect(smtp.port, '127.0.0.1', () => done(null, { connection }))
    },
  })

  test('a mail server elsewhere must offer TLS', async () => {
    const smtp = await server()
    const mailer = mailerFor(elsewhere(smtp, 'smtp://mail.example.com'))
    const message = expect.stringContaining('STARTTLS')
    expect(await mailer.send(sample())).toMatchObject({ ...setUp, code: 'tls', message })
    expect(smtp.received).toHaveLength(0)
    const plain = mailerFor(elsewhere(smtp, 'smtp://mail.example.com?ignoreTLS=true'))
    expect(await plain.send(sample())).toMatchObject({ type: 'sent' })
  })

  test('port 465 speaks TLS from the first byte, whatever the URL begins with', async () => {
    const smtp = await server()
    const mailer = mailerFor(elsewhere(smtp, 'smtp://mail.example.com:465'))
    const message = expect.stringMatching(/wrong version number/i)
    expect(await mailer.send(sample())).toMatchObject({ ...setUp, code: 'tls', message })
  })

  test('some recipients refused: the others have it, and the refused are named', async () => {
    const smtp = await server({ unknown: ['gone@example.com'] })
    const outcome = await mailerFor(smtp.url).send(sample(['owner@example.com', 'gone@example.com']))
    expect(outcome).toMatchObject({ type: 'sent', rejected: ['gone@example.com'] })
    expect((await smtp.next()).envelope.to).toEqual(['owner@example.com'])
  })
})

test('words of the server lose the password and the message, and are bounded', async () => {
  const smtp = await server({ greeting: `hunter2 hunter%402 SMS from +61412345678 ${'x'.repeat(400)}` })
  const mailer = mailerFor(smtp.url.replace('//', '//me:hunter%402@'))
  const outcome = await mailer.send({ ...sample(), subject: 'SMS from +61412345678' })
  expect(outcome).toMatchObject({ type: 'error', code: 'greeting' })
  expect(JSON.stringify(outcome)).not.toMatch(/hunter%402|61412345678/)
  expect(outcome).toHaveProperty('message.length', 300)
})

describe('recipients', () => {
  const hostile = [
    'a@example.com, b@example.com',
    'a@example.com;b@example.com',
    'A <a@example.com>',
    'a@example.com\r\nBcc: b@example.com',
    'a@b@example.com',
    'group: a@example.com;',
    '"a, b"@example.com',
    'nobody',
    '',
  ]
  test.each(hostile)('%j is not sent to', async (address) => {
    const smtp = await server()
    expect(await mailerFor(smtp.url).send(sample([address]))).toMatchObject({
      code: 'recipient',
      permanent: true,
    })
    expect(smtp.connections).toBe(0)
  })
})

describe('verify', () => {
  test('says nothing when the login works, and what is wrong when it does not', async () => {
    const smtp = await server({ login: { user: 'me', pass: 'right' } })
    expect(await mailerFor(smtp.url.replace('//', '//me:right@')).verify()).toBeNull()
    const wrong = await mailerFor(smtp.url.replace('//', '//me:wrong@')).verify()
    expect(wrong).toMatchObject({ code: 'login', operator: true })
    await smtp.behave('down')
    expect(await mailerFor(smtp.url).verify()).toMatchObject({ code: 'connection', operator: false })
  })
})

describe('options', () => {
  const from = 'sms@example.com'
  const cases: [string, unknown, RegExp][] = [
    ['no smtp', { from }, /`smtp`: undefined; is SMTP_URL set\? write "smtps:/],
    ['empty smtp', { smtp: '', from }, /`smtp`: empty; is SMTP_URL set/],
    ['a web address', { smtp: 'https://me:hunter2@example.com', from }, /`smtp`: a text that is no smtp/],
    ['no scheme', { smtp: 'mail.example.com:587', from }, /`smtp`: a text that is no smtp/],
    ['no host', { smtp: { host: undefined, auth: { user: 'me', pass: 'hunter2' } }, from }, /without `host`/],
    ['a number', { smtp: 25, from }, /`smtp`: a number/],
    ['no from', { smtp: 'smtp://localhost' }, /`from`: undefined; is its environment variable set/],
    ['two senders', { smtp: 'smtp://localhost', from: 'a@b.c, d@e.f' }, /`from`: "a@b.c, d@e.f" is not one/],
    [
      'misspelt',
      { smtp: 'smtp://localhost', from, form: 'x' },
      /`form` is not an option; did you mean `from`/,
    ],
  ]
  test.each(cases)('%s is told in words, without the password', (_, options, words) => {
    const make = () => createMailer(options as MailerOptions)
    expect(make).toThrow(OptionsError)
    expect(make).toThrow(words)
    expect(make).not.toThrow(/hunter2/)
  })

  test('options as an object, and a ready transporter, which is left open', async () => {
    const smtp = await server()
    const byObject = mailerFor({ host: '127.0.0.1', port: smtp.port })
    expect(await byObject.send(sample())).toMatchObject({ type: 'sent' })
    const transport = createTransport({ host: '127.0.0.1', port: smtp.port, pool: true })
    closing.push(() => transport.close())
    const mailer = mailerFor(transport)
    expect(await mailer.send(sample())).toMatchObject({ type: 'sent' })
    mailer.close()
    expect(await mailer.send(sample())).toMatchObject({ type: 'error', permanent: false })
    expect(await mailerFor(transport).send(sample())).toMatchObject({ type: 'sent' })
  })

  test('a domain outside ASCII is told in ASCII', () => {
    expect(mailerFor('smtp://localhost').domain).toBe('example.com')
    expect(mailerFor('smtp://localhost', 'Texte <sms@bücher.example>').domain).toBe('xn--bcher-kva.example')
  })
})

test('a server that never says what became of a mail is given up', async () => {
  const smtp = await server({ behave: 'hold' })
  const clock = manualClock()
  const mailer = createMailer({ smtp: smtp.url, from: 'sms@example.com', clock })
  closing.push(mailer.close)
  const sending = mailer.send(sample())
  while (smtp.holding === 0) await settled()
  await clock.advance(10 * 60_000)
  expect(await sending).toMatchObject({ type: 'error', code: 'timeout', permanent: false })
  expect(clock.waiting).toBe(0)
})

test('a password that is no URL encoding is taken as it stands', async () => {
  const smtp = await server({ login: { user: 'me', pass: '50%off' } })
  expect(await mailerFor(smtp.url.replace('//', '//me:50%off@')).verify()).toBeNull()
})

test('the test mail is marked as one', async () => {
  const smtp = await server()
  await mailerFor(smtp.url).send(testLetter(letterContext()))
  const { mail } = await smtp.next()
  expect(mail.subject).toMatch(/^Test/)
  expect(mail.text).toMatch(/^This is a test/)
  expect(mail.headers.get('auto-submitted')).toBe('auto-generated')
})
