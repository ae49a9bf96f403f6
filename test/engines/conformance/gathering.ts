// Promises about digests: which mails wait, which are joined, that what was joined stays so, and how it is taken apart.
import type { MailOutcome } from '../../../lib/delivery.ts'
import { digestMessageId, halfMessageId } from '../../../lib/digest.ts'
import type { Engine, MailClaim } from '../../../lib/engine.ts'
import type { SmsEvent } from '../../../lib/event.ts'
import { smsEvent } from '../../support/events.ts'
import type { Check, Subject } from '../conformance.ts'
import { claim, endpoint, leaseMs } from './steps.ts'

const sent: MailOutcome = { type: 'sent', response: '250 ok', rejected: [] }
const busy: MailOutcome = {
  type: 'error',
  code: 'recipient',
  permanent: false,
  operator: false,
  message: '450',
}
const waitMs = 300_000
const hour = 3_600_000
const digests = { mailsPerHour: 3, waitMs, mostMessages: 10, mostBytes: 1_000_000 }
const owner = ['owner@example.com']

let count = 0

/** Owes mails to somebody; answers their Message-IDs. */
const owe = async (
  engine: Engine,
  n: number,
  to = owner,
  fields: Partial<SmsEvent> = {},
): Promise<string[]> => {
  const events = Array.from({ length: n }, () => smsEvent(fields))
  await engine.accept(events.map((event) => ({ event, endpoints: [endpoint()] })))
  const claims = await claim(engine, { limit: n, default: n })
  return Promise.all(
    claims.map(async ({ lease }) => {
      count += 1
      const messageId = `<${count}@example.com>`
      await engine.settle(lease, null, { to: 'mailing', reason: 'spent', mail: { to, messageId } })
      return messageId
    }),
  )
}

const take = (engine: Engine, limit = 100, rule: object = {}): Promise<MailClaim[]> =>
  engine.claimMails({ limit, leaseMs, digests: { ...digests, ...rule } })

/** Claims and sends; answers how many messages each mail held. */
const send = async (engine: Engine, limit?: number, rule?: object): Promise<number[]> => {
  const mails = await take(engine, limit, rule)
  for (const { lease } of mails) expect(await engine.settleMail(lease, sent, { to: 'sent' })).toBe('settled')
  return mails.map(({ stories }) => stories.length)
}

const refused: MailOutcome = { ...busy, code: 'message', permanent: true, message: '554' }
const single = { mailsPerHour: 1 }

/** Claims a digest of so many, from the sender where there is one, after one mail of the hour. */
const takeDigest = async ({ engine, advance }: Subject, n: number, from?: SmsEvent['from']) => {
  await owe(engine, 1)
  expect(await send(engine, 100, single)).toEqual([1])
  await owe(engine, n, owner, from ? { from } : {})
  await advance(waitMs)
  const [digest, ...others] = await take(engine, 100, single)
  expect(others).toEqual([])
  expect(digest!.stories).toHaveLength(n)
  return digest!
}
const apart = (engine: Engine, { lease }: MailClaim) => engine.settleMail(lease, refused, { to: 'apart' })
const idsOf = ({ stories }: MailClaim) => stories.map(({ delivery }) => delivery.id)

export const gathering = (check: Check): void => {
  check('mails beyond the number of an hour wait and become one', async ({ engine, advance }) => {
    const ids = await owe(engine, 8)
    expect(await send(engine)).toEqual([1, 1, 1])
    await advance(waitMs - 1)
    expect(await send(engine)).toEqual([])
    await advance(1)
    const [digest, ...others] = await take(engine)
    expect(others).toEqual([])
    expect(digest!.mail).toMatchObject({ to: owner, messageId: digestMessageId(ids.slice(3)), tries: 0 })
    expect(digest!.stories).toHaveLength(5)
    expect((await engine.counts()).mails).toEqual({ pending: 1, sent: 3, failed: 0 })
    await engine.settleMail(digest!.lease, sent, { to: 'sent' })
    const { items } = await engine.list({ state: 'emailed' }, { limit: 100 })
    expect(items.filter(({ delivery }) => delivery.mailId === digest!.mail.id)).toHaveLength(5)
    expect(items).toHaveLength(8)
  })

  check('without a rule nothing is gathered', async ({ engine }) => {
    await owe(engine, 8)
    const mails = await engine.claimMails({ limit: 100, leaseMs })
    expect(mails.map(({ stories }) => stories.length)).toEqual([1, 1, 1, 1, 1, 1, 1, 1])
  })

  check('what was joined stays so, whatever becomes of it', async ({ engine, now, advance }) => {
    const rule = { mailsPerHour: 1 }
    await owe(engine, 4)
    expect(await send(engine, 100, rule)).toEqual([1])
    await advance(waitMs)
    const [first] = await take(engine, 100, rule)
    expect(first!.stories).toHaveLength(3)
    await owe(engine, 2)
    const told = ({ mail, stories }: MailClaim) => [
      mail.id,
      mail.messageId,
      ...stories.map(({ delivery }) => delivery.id),
    ]
    const again = async () => (await take(engine, 100, rule)).filter(({ mail }) => mail.id === first!.mail.id)
    await advance(leaseMs)
    const [lost] = await again()
    expect(told(lost!)).toEqual(told(first!))
    await engine.settleMail(lost!.lease, busy, { to: 'retry', dueAt: now() + waitMs })
    await advance(waitMs)
    const [tried] = await again()
    expect(told(tried!)).toEqual(told(first!))
    await engine.release([tried!.lease])
    const [released] = await again()
    expect(told(released!)).toEqual(told(first!))
  })

  check('a mail that was claimed once is never gathered', async ({ engine, advance }) => {
    await owe(engine, 1)
    const [only] = await take(engine, 1, { mailsPerHour: 1 })
    await engine.release([only!.lease])
    await owe(engine, 3)
    expect(await send(engine, 100, { mailsPerHour: 1 })).toEqual([1])
    await advance(waitMs)
    expect(await send(engine, 100, { mailsPerHour: 1 })).toEqual([3])
  })

  check('a full digest does not wait, and none holds more', async ({ engine, advance }) => {
    await owe(engine, 27)
    expect(await send(engine)).toEqual([1, 1, 1, 10, 10])
    await advance(waitMs)
    expect(await send(engine)).toEqual([4])
  })

  check('what goes out by itself fills no digest', async ({ engine }) => {
    await owe(engine, 4)
    expect(await send(engine, 100, { mailsPerHour: 1, mostMessages: 4 })).toEqual([1])
  })

  check('a digest holds no more bytes than asked, but for a single message', async ({ engine, advance }) => {
    await owe(engine, 3)
    await send(engine)
    await owe(engine, 1, owner, { text: 'x'.repeat(5_000) })
    await owe(engine, 2)
    const rule = { mostBytes: 4_000 }
    const sizes = []
    for (let n = 0; n < 3; n += 1) {
      await advance(waitMs)
      sizes.push(await send(engine, 100, rule))
    }
    expect(sizes).toEqual([[1], [2], []])
  })

  check('others get their mails meanwhile', async ({ engine }) => {
    await owe(engine, 9)
    await owe(engine, 2, ['second@example.com'])
    await owe(engine, 2, [...owner, 'second@example.com'])
    expect(await send(engine, 5)).toEqual([1, 1, 1, 1, 1])
    const mails = await take(engine, 5)
    expect(mails.map(({ mail }) => mail.to)).toEqual([
      [...owner, 'second@example.com'],
      [...owner, 'second@example.com'],
    ])
  })

  check('an hour later there are single mails again', async ({ engine, advance }) => {
    await owe(engine, 3)
    await send(engine)
    await advance(hour - 1)
    await owe(engine, 2)
    expect(await send(engine)).toEqual([2])
    await owe(engine, 4)
    await advance(1)
    expect(await send(engine)).toEqual([1, 1])
  })

  check('mails that do not get through count while they are tried', async ({ engine, now, advance }) => {
    await owe(engine, 5)
    for (const { lease } of await take(engine))
      await engine.settleMail(lease, busy, { to: 'retry', dueAt: now() + 2 * hour })
    await advance(2 * hour - 1)
    expect(await send(engine)).toEqual([2])
  })

  check('the hour survives a restart', async ({ engine, another, open, advance }) => {
    await owe(engine, 6)
    await send(engine)
    await engine.close()
    const second = another()
    await open(second)
    expect(await send(second)).toEqual([])
    await advance(waitMs)
    expect(await send(second)).toEqual([3])
  })

  check('apart: two mails take its place at once, with half of its members each', async (subject) => {
    const { engine, now, advance } = subject
    const first = await takeDigest(subject, 5)
    await advance(leaseMs)
    const [digest] = await take(engine, 100, single)
    expect(digest!.mail).toMatchObject({ id: first.mail.id, interruptions: 1 })
    await owe(engine, 2)
    expect(await apart(engine, digest!)).toBe('settled')
    for (const next of [{ to: 'apart' }, { to: 'sent' }, { to: 'retry', dueAt: now() }] as const)
      expect(await engine.settleMail(digest!.lease, refused, next)).toBe('lost')
    expect(await engine.renew([digest!.lease], leaseMs)).toEqual(['lost'])
    expect((await engine.counts()).deliveries).toMatchObject({ mailing: 7, failed: 0, emailed: 1 })
    expect((await engine.counts()).mails).toEqual({ pending: 4, sent: 1, failed: 0 })

    const halves = await take(engine, 100, single)
    const { messageId, createdAt } = digest!.mail
    const fresh = { to: owner, createdAt, dueAt: now(), tries: 0, interruptions: 0, outcome: null }
    expect(halves.map(({ mail }) => mail)).toMatchObject([
      { ...fresh, messageId: halfMessageId(messageId, 'first') },
      { ...fresh, messageId: halfMessageId(messageId, 'second') },
    ])
    expect(halves.map(idsOf)).toEqual([idsOf(digest!).slice(0, 3), idsOf(digest!).slice(3)])
    for (const { lease } of halves) await engine.settleMail(lease, sent, { to: 'sent' })
    await advance(waitMs)
    expect(await send(engine, 100, single)).toEqual([2])
  })

  check('apart again and again: one that is refused costs itself alone', async (subject) => {
    const { engine } = subject
    const digest = await takeDigest(subject, 9)
    const bad = idsOf(digest)[5]!
    let mails = 0
    for (let due = [digest]; due.length > 0; due = await take(engine, 100, single)) {
      for (const one of due) {
        mails += 1
        if (!idsOf(one).includes(bad)) await engine.settleMail(one.lease, sent, { to: 'sent' })
        else if (one.stories.length > 1) await apart(engine, one)
        else await engine.settleMail(one.lease, refused, { to: 'failed' })
      }
    }
    expect(mails).toBe(7)
    expect((await engine.counts()).deliveries).toMatchObject({ mailing: 0, emailed: 9, failed: 1 })
    const { delivery, mail } = (await engine.find(bad))!.deliveries[0]!
    expect(delivery).toMatchObject({ state: 'failed', reason: 'mail-failed' })
    expect(mail).toMatchObject({ state: 'failed', tries: 1, outcome: refused })
  })

  check('the halves survive a restart, and whoever takes over claims them', async (subject) => {
    const { engine, another, open } = subject
    const digest = await takeDigest(subject, 3)
    await apart(engine, digest)
    await engine.close()
    const second = another()
    await open(second)
    const halves = await take(second, 100, single)
    expect(halves.map(idsOf)).toEqual([idsOf(digest).slice(0, 2), idsOf(digest).slice(2)])
    expect(await second.settleMail(digest.lease, sent, { to: 'sent' })).toBe('lost')
  })

  const from = { raw: '+61411122233', kind: 'e164', e164: '+61411122233' } as const

  check('halves are erased, pruned, replayed and cancelled like other mails', async (subject) => {
    const { engine, now, advance } = subject
    const digest = await takeDigest(subject, 4)
    await apart(engine, digest)
    expect(await engine.cancel(idsOf(digest))).toBe(0)
    expect(await engine.replay(idsOf(digest))).toBe(0)
    const [first, second] = await take(engine, 100, single)
    await engine.settleMail(first!.lease, refused, { to: 'failed' })
    expect(await engine.replay(idsOf(digest))).toBe(2)
    expect((await engine.counts()).mails).toEqual({ pending: 1, sent: 1, failed: 0 })
    expect(await engine.cancel(idsOf(digest))).toBe(2)
    await advance(1)
    const old = { textBefore: now(), eventsBefore: now(), limit: 100 }
    expect((await engine.prune(old)).pruned).toBe(3)
    expect(await engine.settleMail(second!.lease, sent, { to: 'sent' })).toBe('settled')
    expect((await engine.prune(old)).pruned).toBe(2)
    expect((await engine.counts()).mails).toEqual({ pending: 0, sent: 0, failed: 0 })
  })

  check('apart of what was erased is lost, and of what is left of it is one mail', async (subject) => {
    const { engine, advance } = subject
    const erased = await takeDigest(subject, 2, from)
    expect(await engine.erase([from.raw])).toBe(2)
    expect(await apart(engine, erased)).toBe('lost')
    await owe(engine, 1)
    await owe(engine, 1, owner, { from })
    await advance(waitMs)
    const [left] = await take(engine, 100, single)
    expect(left!.stories).toHaveLength(2)
    expect(await engine.erase([from.raw])).toBe(1)
    expect(await apart(engine, left!)).toBe('settled')
    const rest = await take(engine, 100, single)
    expect(rest.map(idsOf)).toEqual([[idsOf(left!)[0]]])
    await apart(engine, rest[0]!)
    expect(await engine.erase([smsEvent().from!.raw])).toBeGreaterThan(0)
    expect((await engine.counts()).mails).toEqual({ pending: 0, sent: 0, failed: 0 })
  })
}
