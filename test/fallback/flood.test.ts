// A flood of missed messages to one mailbox: single emails up to the number of an hour, digests after it, and
// each message in full exactly once. Real engine, real mail server, a clock that the test turns.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine } from '../../lib/engine.ts'
import { createDispatcher, type FallbackOptions, sqlite } from '../../lib/index.ts'
import { smsEvent } from '../support/events.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recorder } from '../support/recorder.ts'
import { type Received, type SmtpOptions, startSmtp } from '../support/smtp.ts'
import { scale } from '../support/torture.ts'
import { until } from '../support/until.ts'

/** Missed messages; the aim is 10,000. */
const flood = 2_000 * scale
const minute = 60_000

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const openFile = () => {
  const folder = mkdtempSync(join(tmpdir(), 'smshook-flood-'))
  closing.push(() => rmSync(folder, { recursive: true }))
  return join(folder, 'sms.db')
}

/** Every message is emailed, since nobody else wants it. */
const mailOnly = async (
  engine: Engine,
  fallback: Partial<FallbackOptions> = {},
  { polls = false, ...server }: SmtpOptions & { polls?: boolean } = {},
) => {
  const smtp = await startSmtp(server)
  const clock = manualClock()
  // Where nothing but `runDue` looks for what is due, hours pass at once.
  const after = polls ? clock.after : () => () => {}
  await engine.open({ clock: { ...clock, after }, logger: recorder() })
  const start = (on: Engine = engine) => {
    const dispatcher = createDispatcher({
      engine: on,
      fallback: { smtp: smtp.url, from: 'sms@example.com', to: 'owner@example.com', ...fallback },
      clock,
      logger: recorder(),
    })
    closing.push(async () => {
      const closed = dispatcher.close(0)
      await clock.advance(1)
      await closed
    })
    const emailed: string[] = []
    dispatcher.on('emailed', ({ deliveryIds }) => emailed.push(...deliveryIds))
    const failed: string[] = []
    dispatcher.on('failed', ({ deliveryId }) => failed.push(deliveryId))
    return { ...dispatcher, emailed, failed }
  }
  closing.push(smtp.close, () => engine.close())
  return { smtp, clock, start }
}

let count = 0

/** Their texts, told apart behind what a table of contents shows. */
const miss = async (dispatcher: Pick<ReturnType<typeof createDispatcher>, 'accept'>, n: number) => {
  const texts = Array.from({ length: n }, () => {
    count += 1
    return `Somebody would like to know whether you are open on Sunday #${count}#`
  })
  await dispatcher.accept(texts.map((text) => smsEvent({ text })))
  return texts
}

const marks = (mail: string): string[] => mail.match(/#\d+#/g) ?? []
const messagesIn = ({ mail }: Received): number => marks(mail.text!).length
const sizes = (received: readonly Received[]): number[] => received.map(messagesIn)

test('each message is emailed in full exactly once, in single emails and then in digests', async () => {
  const engine = sqlite(':memory:')
  const { smtp, clock, start } = await mailOnly(engine)
  const dispatcher = start()
  const texts: string[] = []
  for (let left = flood; left > 0; left -= 500) texts.push(...(await miss(dispatcher, Math.min(left, 500))))
  await dispatcher.runDue()
  await clock.advance(5 * minute)
  await dispatcher.runDue()
  expect((await engine.counts()).deliveries).toMatchObject({ emailed: flood, mailing: 0, failed: 0 })

  const digests = Math.ceil((flood - 60) / 100)
  expect(sizes(smtp.received).filter((size) => size === 1)).toHaveLength(60)
  expect(smtp.received).toHaveLength(60 + digests)
  expect(new Set(smtp.received.map(({ mail }) => mail.messageId)).size).toBe(60 + digests)
  const wanted = texts.flatMap(marks).sort()
  expect(smtp.received.flatMap(({ mail }) => marks(mail.text!)).sort()).toEqual(wanted)
  expect(smtp.received.flatMap(({ mail }) => marks(mail.html as string)).sort()).toEqual(wanted)
  expect(dispatcher.emailed).toHaveLength(flood)
  expect(new Set(dispatcher.emailed).size).toBe(flood)
}, 120_000)

test('a digest each five minutes, and the number survives a restart', async () => {
  const file = openFile()
  const engine = sqlite(file)
  const { smtp, clock, start } = await mailOnly(engine, { mailsPerHour: 2 })
  const first = start()
  await miss(first, 5)
  await first.runDue()
  await first.close()
  await engine.close()

  const again = sqlite(file)
  closing.push(() => again.close())
  await again.open({ clock, logger: recorder() })
  const second = start(again)
  await miss(second, 1)
  await second.runDue()
  expect(sizes(smtp.received)).toEqual([1, 1])
  await clock.advance(5 * minute)
  await second.runDue()
  expect(sizes(smtp.received)).toEqual([1, 1, 4])
  const { mail } = smtp.received[2]!
  expect(mail.subject).toBe('4 text messages for +61298765432')
  await miss(second, 3)
  await second.runDue()
  expect(smtp.received).toHaveLength(3)
  await clock.advance(60 * minute)
  await miss(second, 2)
  await second.runDue()
  expect(sizes(smtp.received)).toEqual([1, 1, 4, 1, 1])
  await clock.advance(5 * minute)
  await second.runDue()
  expect(sizes(smtp.received)).toEqual([1, 1, 4, 1, 1, 3])
})

test('a mail server that is down meanwhile: the number holds, and nothing is lost or doubled', async () => {
  const engine = sqlite(':memory:')
  const { smtp, clock, start } = await mailOnly(engine, { mailsPerHour: 5 })
  await smtp.behave('down')
  const dispatcher = start()
  const texts: string[] = []
  for (let passed = 0; passed < 24; passed += 1) {
    texts.push(...(await miss(dispatcher, 10)))
    await dispatcher.runDue()
    await clock.advance(5 * minute)
  }
  await smtp.behave('accept')
  for (let passed = 0; passed < 10; passed += 1) {
    await dispatcher.runDue()
    await clock.advance(30 * minute)
  }
  expect((await engine.counts()).deliveries).toMatchObject({ emailed: 240, mailing: 0, failed: 0 })
  expect(smtp.received.length).toBeLessThanOrEqual(5 + 24)
  const told = smtp.received.flatMap(({ mail }) => marks(mail.text!))
  expect(told.sort()).toEqual(texts.flatMap(marks).sort())
  expect(new Set(dispatcher.emailed).size).toBe(240)
})

test('once started, a digest goes out by itself when its time has come', async () => {
  const { smtp, clock, start } = await mailOnly(sqlite(':memory:'), { mailsPerHour: 1 }, { polls: true })
  const dispatcher = start()
  dispatcher.start()
  await miss(dispatcher, 5)
  await until(() => dispatcher.emailed.length === 1)
  await clock.advance(5 * minute - 1)
  expect(smtp.received).toHaveLength(1)
  await clock.advance(minute)
  await until(() => dispatcher.emailed.length === 5)
  expect(sizes(smtp.received)).toEqual([1, 4])
})

test('one text that the mail server refuses for good costs itself alone, not the digest around it', async () => {
  const engine = sqlite(':memory:')
  const { smtp, clock, start } = await mailOnly(engine, { mailsPerHour: 1 }, { refuses: 'phish' })
  const dispatcher = start()
  const texts = await miss(dispatcher, 58)
  await dispatcher.accept([smsEvent({ text: 'phish' })])
  texts.push(...(await miss(dispatcher, 42)))
  await dispatcher.runDue()
  await clock.advance(5 * minute)
  await dispatcher.runDue()
  expect((await engine.counts()).deliveries).toMatchObject({ emailed: 100, mailing: 0, failed: 1 })
  expect((await engine.counts()).mails).toMatchObject({ pending: 0, failed: 1 })
  expect(dispatcher.failed).toHaveLength(1)
  const taken = smtp.received.filter(({ taken }) => taken)
  expect(taken.flatMap(({ mail }) => marks(mail.text!)).sort()).toEqual(texts.flatMap(marks).sort())
  // The halves that hold it are sent whole and plain; each of the others once.
  expect(taken.length).toBeLessThanOrEqual(1 + 7)
  expect(smtp.received.length).toBeLessThanOrEqual(1 + 2 * 8 + 7)
})

test('a recipient that does not exist is about no text: the digest fails as one mail', async () => {
  const engine = sqlite(':memory:')
  const { smtp, clock, start } = await mailOnly(engine, { mailsPerHour: 1 })
  const dispatcher = start()
  await miss(dispatcher, 9)
  await dispatcher.runDue()
  await smtp.behave('refuse')
  await clock.advance(5 * minute)
  await dispatcher.runDue()
  expect((await engine.counts()).mails).toEqual({ pending: 0, sent: 1, failed: 1 })
  expect(dispatcher.failed).toHaveLength(8)
})

test('a clock that was set back: the hour begins anew', async () => {
  const { smtp, clock, start } = await mailOnly(sqlite(':memory:'), { mailsPerHour: 2 })
  const dispatcher = start()
  await miss(dispatcher, 2)
  await dispatcher.runDue()
  clock.jump(-180 * minute)
  await miss(dispatcher, 2)
  await dispatcher.runDue()
  expect(sizes(smtp.received)).toEqual([1, 1, 1, 1])
})

test('false: an email for each, however many', async () => {
  const { smtp, start } = await mailOnly(sqlite(':memory:'), { mailsPerHour: false })
  const dispatcher = start()
  await miss(dispatcher, 70)
  await dispatcher.runDue()
  expect(smtp.received).toHaveLength(70)
})

test('killed after a digest was sent: the same digest again, under the same Message-ID', async () => {
  const file = openFile()
  const engine = sqlite(file)
  const { smtp, clock, start } = await mailOnly(engine, { mailsPerHour: 1 })
  await miss(start(), 4)
  await start().runDue()
  await clock.advance(5 * minute)
  void start({ ...engine, settleMail: () => new Promise(() => {}) }).runDue()
  await until(() => smtp.received.length === 2)
  // Nobody gives the lease back.
  await engine.close()

  const again = sqlite(file)
  closing.push(() => again.close())
  await again.open({ clock, logger: recorder() })
  const survivor = start(again)
  await miss(survivor, 2)
  await survivor.runDue()
  const [, digest, repeated, ...others] = smtp.received
  expect(others).toEqual([])
  expect(messagesIn(digest!)).toBe(3)
  expect(repeated!.mail.messageId).toBe(digest!.mail.messageId)
  expect(repeated!.mail.text).toBe(digest!.mail.text)
  expect(survivor.emailed).toHaveLength(3)
})

test.each([0, 1.5, -1, true, '60'])('mailsPerHour: %p is told in words', (mailsPerHour) => {
  const fallback = {
    smtp: 'smtp://localhost',
    from: 'sms@example.com',
    to: 'owner@example.com',
    mailsPerHour,
  }
  const make = () => createDispatcher({ engine: sqlite(':memory:'), fallback: fallback as FallbackOptions })
  expect(make).toThrow(/`fallback\.mailsPerHour` is .*; write a whole number, 1 or more, or false/)
})
