import { errorOutcome, sentOutcome } from '../../lib/fallback/mail-outcome.ts'

type Fields = Record<string, unknown>
const smtpError = (fields: Fields) => Object.assign(new Error('refused'), fields)

const rcpt = (...codes: number[]): Fields => ({
  code: 'EENVELOPE',
  command: 'RCPT TO',
  responseCode: codes.at(-1),
  rejectedErrors: codes.map((responseCode) => ({ responseCode })),
})

// Fields as nodemailer 10 sets them: smtp-connection and smtp-pool.
const cases: [string, Fields, string][] = [
  ['sender refused', { code: 'EENVELOPE', command: 'MAIL FROM', responseCode: 550 }, 'sender for good'],
  ['sender deferred', { code: 'EENVELOPE', command: 'MAIL FROM', responseCode: 451 }, 'sender for now'],
  ['out of step', { code: 'EENVELOPE', command: 'MAIL FROM', responseCode: 503 }, 'sender for now'],
  ['recipient unknown', rcpt(550), 'recipient for good'],
  ['mailbox full', rcpt(552), 'recipient for now'],
  ['one full, one unknown', rcpt(552, 550), 'recipient for now'],
  ['one unknown, one deferred', rcpt(550, 450), 'recipient for now'],
  ['all unknown', rcpt(550, 551, 553), 'recipient for good'],
  ['message refused', { code: 'EMESSAGE', command: 'DATA', responseCode: 554 }, 'message for good'],
  ['message too large', { code: 'EMESSAGE', command: 'DATA', responseCode: 552 }, 'size for good'],
  ['size refused', { code: 'EENVELOPE', command: 'MAIL FROM', responseCode: 552 }, 'size for good'],
  ['larger than the server said', { code: 'EMESSAGE', command: 'MAIL FROM' }, 'size for good'],
  [
    'mailbox full after the message',
    { code: 'EMESSAGE', command: 'DATA', responseCode: 552, response: '552-5.2.2 over quota' },
    'recipient for now',
  ],
  ['message deferred', { code: 'EMESSAGE', command: 'DATA', responseCode: 451 }, 'message for now'],
  ['no recipients', { code: 'EENVELOPE', command: 'API' }, 'recipient for good'],
  ['login refused', { code: 'EAUTH', command: 'AUTH PLAIN', responseCode: 535 }, 'login by operator'],
  ['login without credentials', { code: 'EAUTH', command: 'API' }, 'login by operator'],
  ['login put off', { code: 'EAUTH', command: 'AUTH PLAIN', responseCode: 454 }, 'login for now'],
  ['login wanted', { code: 'EENVELOPE', command: 'MAIL FROM', responseCode: 530 }, 'login by operator'],
  ['STARTTLS missing', { code: 'ETLS', command: 'STARTTLS', responseCode: 502 }, 'tls by operator'],
  ['certificate', { code: 'ESOCKET', originalCode: 'CERT_HAS_EXPIRED', command: 'CONN' }, 'tls by operator'],
  ['not TLS', { code: 'ESOCKET', originalCode: 'ERR_SSL_WRONG_VERSION_NUMBER' }, 'tls by operator'],
  ['greeting refused', { code: 'EPROTOCOL', command: 'CONN', responseCode: 554 }, 'greeting by operator'],
  ['hello refused', { code: 'EPROTOCOL', command: 'HELO', responseCode: 550 }, 'greeting by operator'],
  ['greeting busy', { code: 'EPROTOCOL', command: 'CONN', responseCode: 421 }, 'connection for now'],
  ['refused', { code: 'ESOCKET', originalCode: 'ECONNREFUSED', command: 'CONN' }, 'connection for now'],
  ['dropped', { code: 'ECONNECTION', command: 'CONN' }, 'connection for now'],
  ['silent', { code: 'ETIMEDOUT', timeoutType: 'SOCKET_TIMEOUT' }, 'timeout for now'],
  ['given up', { code: 'EABORT' }, 'timeout for now'],
  ['no such host', { code: 'EDNS', originalCode: 'ENOTFOUND' }, 'dns for now'],
  ['odd options', { code: 'ECONFIG' }, 'options by operator'],
  ['no code at all', {}, 'connection for now'],
]

test.each(cases)('%s', (_, fields, expected) => {
  const { code, permanent, operator } = errorOutcome(smtpError(fields))
  expect(`${code} ${operator ? 'by operator' : permanent ? 'for good' : 'for now'}`).toBe(expected)
  expect(permanent && operator).toBe(false)
})

test.each([undefined, null, 'words', 7])('whatever is thrown is an outcome: %p', (thrown) => {
  expect(errorOutcome(thrown)).toMatchObject({ type: 'error', permanent: false, message: String(thrown) })
})

test('messages are one bounded line without secrets', () => {
  const { message } = errorOutcome(
    smtpError({ message: `550-no\r\n550 pass\u0000word ${'x'.repeat(999)}` }),
    ['pass', ''],
  )
  expect(message).toMatch(/^550-no 550 \*\*\* word x+$/)
  expect(message).toHaveLength(300)
})

test('transports that report recipients as objects', () => {
  const info = { response: '250 ok', rejected: ['a@example.com', { name: '', address: 'b@example.com' }] }
  expect(sentOutcome(info, [])).toEqual({
    type: 'sent',
    response: '250 ok',
    rejected: ['a@example.com', 'b@example.com'],
  })
  expect(sentOutcome({}, [])).toEqual({ type: 'sent', response: '', rejected: [] })
})
