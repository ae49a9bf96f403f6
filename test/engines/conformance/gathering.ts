// Promises about digests: which mails wait, which are joined, and that what was joined stays so.
import type { MailOutcome } from '../../../lib/delivery.ts'
import { digestMessageId } from '../../../lib/digest.ts'
import type { Engine, MailClaim } from '../../../lib/engine.ts'
import { smsEvent } from '../../support/events.ts'
import type { Check } from '../conformance.ts'
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
const owe = async (engine: Engine, n: number, to = owner, text = 'Hi'): Promise<string[]> => {
  const events = Array.from({ length: n }, () => smsEvent({ text }))
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

  check('a digest holds no more bytes than asked, but for a single message', async ({ engine, advance }) => {
    await owe(engine, 3)
    await send(engine)
    await owe(engine, 1, owner, 'x'.repeat(5_000))
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
}
