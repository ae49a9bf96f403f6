// Whatever a mail server does: the mail stays on its schedule and arrives once the server can take it, and the
// endpoint is not tried again meanwhile.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { mailDelaysMs } from '../../lib/fallback/schedule.ts'
import { inline } from '../support/files.ts'
import { closeMissed, hour, minute, missing, tries } from '../support/missed.ts'
import { serveRaw } from '../support/raw-server.ts'
import type { SmtpMode } from '../support/smtp.ts'
import { until } from '../support/until.ts'

afterEach(closeMissed)

test('down for hours: the schedule is held, and the mail arrives when the server is back', async () => {
  const { smtp, clock, run, miss, story, tried, signals } = await missing({ behave: 'down' })
  const id = await miss()
  for (const [n, delayMs] of mailDelaysMs.entries()) {
    const { state, mail } = await story(id)
    expect(state).toBe('mailing')
    expect(mail).toMatchObject({ state: 'pending', tries: n + 1, outcome: { code: 'connection' } })
    expect(mail.dueAt! - clock.now()).toBeGreaterThanOrEqual(delayMs)
    expect(mail.dueAt! - clock.now()).toBeLessThanOrEqual(delayMs * 1.1 + 1)
    await clock.advance(mail.dueAt! - clock.now() - 1)
    expect(await run()).toBe(0)
    if (n === mailDelaysMs.length - 1) await smtp.behave('accept')
    await clock.advance(2)
    expect(await run()).toBe(1)
  }
  expect(await story(id)).toMatchObject({ state: 'emailed', mail: { state: 'sent' } })
  expect(smtp.received).toHaveLength(1)
  expect(signals.of('emailed')).toHaveLength(1)
  expect(signals.of('alert')).toEqual([])
  expect(tried()).toBe(tries)
})

const passing: [string, SmtpMode, unknown][] = [
  ['greylisted', 'greylist', 'recipient'],
  // Whether the answer or the end of the connection is seen first is a matter of chance.
  ['421 in mid-session', 'leave', expect.stringMatching(/^(recipient|connection)$/)],
  ['a full mailbox, 552', 'full', 'recipient'],
  ['busy', 'busy', 'recipient'],
  ['dropped after the message', 'drop', 'connection'],
]
test.each(passing)('%s: tried again, and emailed once', async (_, behave, code) => {
  const { smtp, clock, run, miss, story, tried, signals } = await missing({ behave })
  const id = await miss()
  expect(await story(id)).toMatchObject({ state: 'mailing', mail: { state: 'pending', outcome: { code } } })
  if (behave !== 'greylist') await smtp.behave('accept')
  await clock.advance(2 * minute)
  await run()
  const { state, mail } = await story(id)
  expect([state, mail.state, mail.tries]).toEqual(['emailed', 'sent', 2])
  expect(smtp.received.filter(({ taken }) => taken)).toHaveLength(1)
  expect(new Set(smtp.received.map((one) => one.mail.messageId))).toEqual(new Set([mail.messageId]))
  expect(smtp.received).toHaveLength(behave === 'drop' ? 2 : 1)
  expect(signals.of('emailed')).toHaveLength(1)
  expect(signals.of('alert')).toEqual([])
  expect(tried()).toBe(tries)
})

test('the password is refused for a day: one alert, no mail lost, and all go out once it is right', async () => {
  const login = { user: 'me', pass: 'hunter2' }
  const office = await missing({ behave: 'no-login', login }, ({ url }) => ({
    smtp: url.replace('//', '//me:hunter2@'),
  }))
  const ids = [await office.miss(), await office.miss(), await office.miss()]
  for (let passed = 0; passed < 24; passed += 1) {
    await office.clock.advance(hour)
    await office.run()
  }
  expect(office.signals.of('alert')).toMatchObject([{ code: 'mail-login' }])
  await office.smtp.behave('accept')
  await office.clock.advance(3 * hour)
  await office.run()
  for (const id of ids) expect((await office.story(id)).state).toBe('emailed')
  expect(office.smtp.received).toHaveLength(3)
  expect(office.tried()).toBe(3 * tries)
  expect(JSON.stringify(office.logger.lines)).not.toContain('hunter2')
})

const tls = (name: string) => readFileSync(join(import.meta.dirname, `../fixtures/tls/${name}.pem`), 'utf8')

describe('TLS that is broken: one alert, nothing sent, and the mail waits', () => {
  const broken: [string, string | null, string][] = [
    ['a certificate that has expired', 'expired', 'ca'],
    ['a certificate of the future', 'future', 'ca'],
    ['a certificate for another name', 'other-name', 'ca'],
    ['a certificate that nobody vouches for', 'good', 'cert'],
    ['no STARTTLS although it is required', null, 'ca'],
  ]
  test.each(broken)('%s', async (_, cert, ca) => {
    const { smtp, clock, run, miss, story, tried, signals } = await missing(
      cert === null ? {} : { tls: { key: tls('key'), cert: tls(cert) } },
      ({ port }) => ({ smtp: { host: 'localhost', port, requireTLS: true, tls: { ca: tls(ca) } } }),
    )
    const ids = [await miss(), await miss()]
    await clock.advance(hour)
    await run()
    for (const id of ids)
      expect((await story(id)).mail).toMatchObject({
        state: 'pending',
        tries: 2,
        outcome: { code: 'tls', operator: true },
      })
    expect(signals.of('alert')).toMatchObject([{ code: 'mail-tls' }])
    expect(smtp.received).toEqual([])
    expect(tried()).toBe(2 * tries)
  })

  test('and a good one is taken', async () => {
    const { miss, story } = await missing({ tls: { key: tls('key'), cert: tls('good') } }, ({ port }) => ({
      smtp: { host: 'localhost', port, requireTLS: true, tls: { ca: tls('ca') } },
    }))
    expect((await story(await miss())).state).toBe('emailed')
  })
})

describe('a mail that is refused for what it is', () => {
  const media = [inline(Buffer.alloc(200_000, 'x'), { name: 'notes.txt', contentType: 'text/plain' })]

  test.each([true, false])(
    'too large with its files (announced: %s): the text goes out',
    async (announced) => {
      const { smtp, miss, story, signals } = await missing({ size: { mostBytes: 100_000, announced } })
      const id = await miss({ text: 'Look at this', media })
      expect((await story(id)).state).toBe('emailed')
      const { mail } = smtp.received.at(-1)!
      expect(mail.attachments).toEqual([])
      expect(mail.text).toContain('Look at this')
      expect(mail.text).toContain(
        'Not attached, since the mail server refused this email with its files: notes.txt (0.2 MB)\n',
      )
      expect(mail.html).toContain('notes.txt')
      expect(signals.of('emailed')).toHaveLength(1)
      expect(signals.of('mailAttempt')).toEqual([])
    },
  )

  test('too large however plain: a full mailbox says the same, so it is tried again', async () => {
    const { miss, story, tried } = await missing({ size: { mostBytes: 100, announced: false } })
    expect(await story(await miss({ media }))).toMatchObject({
      state: 'mailing',
      mail: { state: 'pending', outcome: { code: 'size', permanent: false } },
    })
    expect(tried()).toBe(tries)
  })

  test('for good: without files, then as plain text, then no more', async () => {
    const { smtp, clock, run, miss, story, tried, signals } = await missing({ behave: 'reject' })
    const id = await miss({ media })
    const forms = smtp.received.map(({ mail }) => [mail.attachments.length, mail.html !== false])
    expect(forms).toEqual([
      [1, true],
      [0, true],
      [0, false],
    ])
    expect(await story(id)).toMatchObject({ state: 'failed', mail: { state: 'failed' } })
    expect(signals.of('failed')).toMatchObject([{ reason: 'mail-failed' }])
    await clock.advance(240 * hour)
    expect(await run()).toBe(0)
    expect(tried()).toBe(tries)
  })
})

describe('a server that does not come to the point', () => {
  /** What it says to each line, a byte every few milliseconds, or nothing at all. */
  const slow = (greeting: string, words: string) =>
    serveRaw(
      createServer((socket) => {
        socket.write(greeting)
        socket.on('data', () => {
          let at = 0
          const dribble = setInterval(() => {
            if (words !== '') socket.write(words[at++ % words.length]!)
          }, 5)
          socket.on('close', () => clearInterval(dribble))
        })
      }),
    )

  test('silent from the start', async () => {
    const port = await slow('', '')
    const { miss, story, tried } = await missing({}, () => ({
      smtp: { host: '127.0.0.1', port, greetingTimeout: 100 },
    }))
    expect((await story(await miss())).mail).toMatchObject({ state: 'pending', outcome: { code: 'timeout' } })
    expect(tried()).toBe(tries)
  })

  test('silent after its greeting', async () => {
    const port = await slow('220 well?\r\n', '')
    const { miss, story } = await missing({}, () => ({
      smtp: { host: '127.0.0.1', port, socketTimeout: 100 },
    }))
    expect((await story(await miss())).mail).toMatchObject({ state: 'pending', outcome: { code: 'timeout' } })
  })

  test('a byte at a time, without end: given up after ten minutes', async () => {
    const port = await slow('220 well?\r\n', '250-a')
    const { clock, miss, story, signals } = await missing({}, () => ({ smtp: { host: '127.0.0.1', port } }))
    const missed = miss()
    await until(() => signals.of('mailing').length === 1)
    await until(async () => {
      await clock.advance(minute)
      return signals.of('mailAttempt').length === 1
    })
    expect((await story(await missed)).mail).toMatchObject({ outcome: { code: 'timeout', permanent: false } })
  })
})
