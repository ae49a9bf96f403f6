// What a letter says; that it arrives so is tested in letter-mail.test.ts.
import type { Reason } from '../../lib/delivery.ts'
import { type EventType, eventTypes } from '../../lib/event.ts'
import { visibleLength } from '../../lib/fallback/legible.ts'
import { letter, messageIdFor } from '../../lib/fallback/letter.ts'
import { webhookEndpoint } from '../support/events.ts'
import { failedTries, letterContext, story } from '../support/stories.ts'

const write = (fields: Parameters<typeof story>[0] = {}, context: Parameters<typeof letterContext>[0] = {}) =>
  letter([story(fields)], letterContext(context))

const number = (raw: string, kind: 'alpha' | 'e164' = 'alpha') => ({
  raw,
  kind,
  e164: kind === 'e164' ? raw : null,
})

test('the whole letter, for the shop owner first', () => {
  const { subject, text } = write({
    event: {
      id: 'event-1',
      identity: '297abf7f',
      text: 'Are you open?\nBob',
      receivedAt: '2026-01-01T00:00:01.000Z',
    },
    delivery: { id: 'delivery-1' },
    attempts: failedTries(3),
  })
  expect(subject).toBe('SMS from +61412345678 to +61298765432: "Are you open? Bob"')
  expect(text).toBe(`Your system could not be reached, so here is the text.

Are you open?
Bob

----------------------------------------
From:     +61412345678
To:       +61298765432
Received: Thu, 1 Jan 2026, 11:00 GMT+11 (2026-01-01 00:00 UTC)

Replying to this mail does not text the sender.

For your developer
https://crm.example.com/sms did not answer 200 in 3 tries between 20:01 and 20:33, last answer 502.
Gateway pbx, its id 297abf7f.
Stored as event event-1; can be replayed as delivery delivery-1.
  1  20:01:00  12 ms  answered 502
  2  20:17:00  12 ms  answered 502
  3  20:33:00  12 ms  answered 502
`)
})

describe('why it came', () => {
  const leads: [Reason, RegExp, RegExp][] = [
    ['spent', /^Your system could not be reached, so here is the text\./, /did not answer 200 in 10 tries/],
    ['gone', /^Your system says that it takes no more messages/, /ends the tries/],
    ['deadline', /^Your system did not take it in time/, /time set for the email/],
    ['interrupted', /^The program that receives your texts stopped 10 times/, /died 10 times/],
    ['unwanted', /^No system of yours asks for this message/, /No endpoint is configured/],
    ['direct', /^A new text message\./, /It is owed to/],
    [
      'orphaned',
      /^The part of your system that took these messages is no longer there/,
      /no longer in the conf/,
    ],
  ]
  test.each(leads)('%s', (reason, lead, developer) => {
    const attempts = ['unwanted', 'direct', 'interrupted', 'orphaned'].includes(reason) ? [] : failedTries(10)
    const { text, html } = write({ delivery: { reason, interruptions: 10 }, attempts })
    expect(text).toMatch(lead)
    expect(text.split('For your developer')[1]).toMatch(developer)
    expect(html).toContain(text.split('\n')[0])
    if (attempts.length === 0) expect(text).not.toMatch(/could not be reached|tries/)
  })

  test('a handler is not reached or unreached: it did not take the message', () => {
    const endpoint = webhookEndpoint({ id: 'crm', kind: 'handler', url: null })
    const threw = failedTries(1, { type: 'error', code: 'threw', message: 'out of paper' })
    const { text } = write({ delivery: { endpoint }, attempts: threw })
    expect(text).toMatch(/^Your system could not take it, so here is the text/)
    expect(text).toMatch(
      /the handler "crm" did not take it in 1 try at 20:01, the last: threw an error \(out of paper\)/,
    )
  })

  test('only the last round is told, over midnight with its days, and in bounds', () => {
    const attempts = [...failedTries(10), ...failedTries(40)]
    attempts[49]!.startedAt += 24 * 3_600_000
    const { text } = write({ delivery: { tries: 40 }, attempts })
    expect(text).toMatch(/in 40 tries between 1 Jan, 20:01 and 2 Jan, 20:33/)
    expect(text.match(/answered 502/g)).toHaveLength(20)
  })

  const successes = [
    [204, '204'],
    ['2xx', '2xx'],
    ['<400', 'below 400'],
  ] as const
  test.each(successes)('an endpoint that wanted %s', (success, words) => {
    expect(write({}, { successAt: () => success }).text).toContain(`did not answer ${words} in 10 tries`)
  })

  test('an endpoint is shown without credentials, query and fragment', () => {
    const endpoint = webhookEndpoint({
      url: 'https://me:hunter2@crm.example.com:8443/sms?token=hunter2#hunter2',
    })
    const { text, html } = write({ delivery: { endpoint } })
    expect(text).toContain('https://crm.example.com:8443/sms did not')
    expect(text + html).not.toContain('hunter2')
  })
})

describe('what it is about', () => {
  const statuses: [EventType, string][] = [
    ['message.failed', 'SMS to +61412345678 failed: carrier said no'],
    ['message.expired', 'SMS to +61412345678 expired: carrier said no'],
    ['message.sent', 'SMS to +61412345678 was sent'],
    ['message.delivered', 'SMS to +61412345678 was delivered'],
    ['link.clicked', 'Link in an SMS to +61412345678 was opened'],
    ['call.missed', 'Missed call from +61298765432 to +61412345678'],
    ['device.offline', 'Phone +61298765432 is offline'],
    ['unknown', 'Unknown event from pbx'],
  ]
  test.each(statuses)('%s', (type, words) => {
    const { subject, text } = write({
      event: {
        type,
        from: number('+61298765432', 'e164'),
        to: number('+61412345678', 'e164'),
        text: null,
        reason: words.includes(':') ? 'carrier said no' : null,
      },
    })
    expect(subject).toBe(words.split(':')[0])
    expect(text).toMatch(/^Your system could not be reached, so here is what it missed\.\n\n/)
    expect(text).toContain(`\n\n${words}`)
    expect(text).not.toContain('has no text')
  })

  test('a status and the message of the same two numbers are one thread', () => {
    const [ours, theirs] = [number('+61298765432', 'e164'), number('+61412345678', 'e164')]
    const received = write({ event: { from: theirs, to: ours } })
    const failed = write({ event: { type: 'message.failed', from: ours, to: theirs } })
    const other = write({ event: { from: number('Bob'), to: ours } })
    expect(failed.references).toBe(received.references)
    expect(other.references).not.toBe(received.references)
    expect(received.references).toMatch(/^<[0-9a-f]{32}@example\.com>$/)
    expect(received.inReplyTo).toBe(received.references)
  })

  test('ciphertext is never shown as if it were the text', () => {
    const { subject, text, html } = write({ event: { encrypted: true, text: 'q83vEjRWeJA=' } })
    expect(subject + text + html).not.toContain('q83vEjRWeJA')
    expect(text).toContain('The text is encrypted')
  })

  test('no text, a wish to be left alone, a sender’s clock and repairs are told', () => {
    const { subject, text } = write({
      event: { text: '', intent: 'stop', occurredAt: '2019-12-15T07:20:54.000Z', notes: ['plus'] },
    })
    expect(subject).toBe('SMS from +61412345678 to +61298765432')
    expect(text).toContain('The message has no text.\nThe sender asks to get no more texts.')
    expect(text).toMatch(/^Sent: +Sun, 15 Dec 2019, 18:20/m)
    expect(text).toContain('Repaired or guessed while reading: plus.')
  })

  test('instants that make no sense stop no letter', () => {
    const { text } = write({ event: { occurredAt: 'soon', receivedAt: 'later' } })
    expect(text).toMatch(/Received: Thu, 1 Jan 2026, 20:01/)
  })

  test('UTC is not told twice', () => {
    expect(write({}, { zone: 'UTC' }).text).toMatch(/^Received: Thu, 1 Jan 2026, 00:00 UTC$/m)
  })

  test('that it is stored is said only where it is true', () => {
    expect(write().text).toContain('Stored as event')
    expect(write({}, { stored: false }).text).not.toMatch(/Stored|replayed/)
  })
})

describe('subject', () => {
  const subject = (text: string, from = '+61412345678') =>
    write({ event: { text, from: number(from), to: number('+61298765432', 'e164') } }).subject

  test('at most 78 visible characters, whatever is in it', () => {
    const family = '👨‍👩‍👧‍👦'
    for (const text of [
      'x'.repeat(999),
      family.repeat(99),
      '🇦🇺'.repeat(99),
      'مرحبا '.repeat(99),
      '你好'.repeat(99),
    ]) {
      expect([77, 78]).toContain(visibleLength(subject(text)))
      expect(subject(text)).toMatch(/…"$/)
      expect(subject(text)).not.toMatch(/\p{Cs}|\u200d…/u)
    }
    expect(subject(`${'x'.repeat(35)}${family}${family}y`)).toBe(
      `SMS from +61412345678 to +61298765432: "${'x'.repeat(35)}${family}…"`,
    )
    const long = number('n'.repeat(500))
    for (const type of eventTypes) {
      const event = { type, from: long, to: long, gateway: 'g'.repeat(500), text: 'x'.repeat(500) }
      expect(visibleLength(write({ event }).subject)).toBeLessThanOrEqual(78)
    }
    expect(subject(`Z${'\u0301'.repeat(10_000)}algo`).length).toBeLessThan(100)
  })

  test('no control or bidi characters, on one line', () => {
    expect(subject('\u202eeno\u0000two\r\nBcc: x@y.z\u2028\u2066end', 'Bob\u202e\r\nX: y')).toBe(
      'SMS from Bob X: y to +61298765432: "eno two Bcc: x@y.z end"',
    )
  })

  test('words are left out on request', () => {
    const { subject } = write({ event: { text: 'Hello' } }, { subjectWords: false })
    expect(subject).toBe('SMS from +61412345678 to +61298765432')
  })
})

describe('HTML', () => {
  test('no tag, attribute or link is made from what a stranger wrote', () => {
    const hostile = `</div><script>alert(1)</script> <a href="https://evil.example">x</a> & ' https://evil.example`
    const { html } = write({
      event: { text: hostile, from: number(hostile), gateway: hostile, identity: hostile, reason: hostile },
    })
    expect(html).not.toMatch(/<script|<a /)
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(html).toContain(
      '&lt;a href=&quot;https://evil.example&quot;&gt;x&lt;/a&gt; &amp; &#39; https://evil',
    )
  })

  test('lines and spaces are kept, the direction is the message’s', () => {
    const { html } = write({ event: { text: 'مرحبا\n  two' } })
    expect(html).toMatch(/<div dir="auto" style="[^"]*white-space:pre-wrap[^"]*">مرحبا<br> {2}two<\/div>/)
  })

  test('a number can be called only when it is E.164', () => {
    expect(write().html).toContain('<a href="tel:+61412345678"')
    expect(write({ event: { from: number('+61"><b>', 'e164') } }).html).not.toContain('tel:')
    expect(write({ event: { from: number('Bank') } }).html).not.toContain('<a ')
    expect(write({ event: { from: null } }).html).not.toContain('<a ')
  })
})

test('the Message-ID stays the same, and differs in whatever it is made of', () => {
  const of = { gateway: 'pbx', identity: 'a', endpointId: 'crm', round: 1 }
  const id = messageIdFor(of, 'example.com')
  expect(id).toMatch(/^<[0-9a-f]{32}@example\.com>$/)
  expect(messageIdFor({ ...of }, 'example.com')).toBe(id)
  const others = [{ gateway: 'x' }, { identity: 'x' }, { endpointId: 'x' }, { round: 2 }].map((change) =>
    messageIdFor({ ...of, ...change }, 'example.com'),
  )
  expect(new Set([id, ...others]).size).toBe(5)
})

test('a mail without deliveries is a fault, and several are told one after the other', () => {
  expect(() => letter([], letterContext())).toThrow(/nothing to say/)
  const { text } = letter(
    [story({ event: { text: 'one' } }), story({ event: { text: 'two' } })],
    letterContext(),
  )
  expect(text).toMatch(/one.*two/s)
})
