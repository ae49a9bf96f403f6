// Promises about mails: claimed with their stories, settled with their members.
import type { MailOutcome } from '../../../lib/delivery.ts'
import type { MailClaim } from '../../../lib/engine.ts'
import type { Check } from '../conformance.ts'
import {
  attempt,
  claim,
  claimMail,
  claimMails,
  claimOne,
  leaseMs,
  mailing as next,
  owe,
  oweMail,
  told,
} from './steps.ts'

const sent: MailOutcome = { type: 'sent', response: '250 2.0.0 ok', rejected: ['second@example.com'] }
const refused: MailOutcome = {
  type: 'error',
  code: 'recipient',
  permanent: true,
  operator: false,
  message: '550 5.1.1 no such user',
}

export const mailing = (check: Check): void => {
  check('a mail is claimed with all that a letter tells', async ({ engine, now }) => {
    const event = await owe(engine)
    const first = await claimOne(engine)
    await engine.settle(first.lease, attempt(1), { to: 'retry', dueAt: now(), hold: true })
    await engine.settle(first.lease, attempt(2), next)
    const { lease, mail, stories } = await claimMail(engine)
    const { delivery, mail: owed } = await told(engine, event.id)
    expect(lease).toEqual({ id: mail.id, token: expect.any(String) })
    expect(mail).toEqual(owed)
    expect(stories).toEqual([{ event, delivery, attempts: [attempt(1), attempt(2)] }])
    expect(await claimMails(engine)).toEqual([])
  })

  check('no more than the limit, the longest due first', async ({ engine, advance }) => {
    const events = []
    for (let n = 0; n < 3; n += 1) {
      events.push(await oweMail(engine))
      await advance(1)
    }
    const claimed = [await claimMails(engine, 2), await claimMails(engine, 2)]
    expect(claimed.map((mails) => mails.map(({ stories }) => stories[0]!.event.id))).toEqual([
      [events[0]!.id, events[1]!.id],
      [events[2]!.id],
    ])
  })

  check('mails claimed at once are claimed once', async ({ engine }) => {
    for (let n = 0; n < 6; n += 1) await oweMail(engine)
    const claims = await Promise.all([4, 4, 4].map((limit) => claimMails(engine, limit)))
    expect(claims.map((mails) => mails.length)).toEqual([4, 2, 0])
  })

  check('sent makes its delivery emailed', async ({ engine, now, advance }) => {
    const event = await oweMail(engine)
    const { lease } = await claimMail(engine)
    await advance(100)
    expect(await engine.settleMail(lease, sent, { to: 'sent' })).toBe('settled')
    const { delivery, mail } = await told(engine, event.id)
    expect(delivery).toMatchObject({ state: 'emailed', endedAt: now(), reason: 'spent', mailId: mail!.id })
    expect(mail).toMatchObject({ state: 'sent', tries: 1, dueAt: null, endedAt: now(), outcome: sent })
    expect(await engine.settleMail(lease, sent, { to: 'sent' })).toBe('lost')
  })

  check('failed makes its delivery failed, with the reason', async ({ engine, now }) => {
    const event = await oweMail(engine)
    const { lease } = await claimMail(engine)
    expect(await engine.settleMail(lease, refused, { to: 'failed' })).toBe('settled')
    const { delivery, mail } = await told(engine, event.id)
    expect(delivery).toMatchObject({ state: 'failed', endedAt: now(), reason: 'mail-failed' })
    expect(mail).toMatchObject({ state: 'failed', tries: 1, dueAt: null, endedAt: now(), outcome: refused })
    expect(await claim(engine)).toEqual([])
  })

  check('retry keeps the outcome and the due time', async ({ engine, now, advance }) => {
    const event = await oweMail(engine)
    const { lease } = await claimMail(engine)
    const dueAt = now() + 60_000
    expect(await engine.settleMail(lease, refused, { to: 'retry', dueAt })).toBe('settled')
    const { delivery, mail } = await told(engine, event.id)
    expect(delivery.state).toBe('mailing')
    expect(mail).toMatchObject({ state: 'pending', tries: 1, dueAt, endedAt: null, outcome: refused })
    await advance(59_999)
    expect(await claimMails(engine)).toEqual([])
    await advance(1)
    expect((await claimMail(engine)).mail).toMatchObject({ tries: 1, messageId: mail!.messageId })
  })

  check('with a stale lease it is lost, and nothing is written', async ({ engine, now, advance }) => {
    const event = await oweMail(engine)
    const stale = (await claimMail(engine)).lease
    await advance(leaseMs)
    const fresh = (await claimMail(engine)).lease
    const before = await engine.find(event.id)
    for (const to of [
      { to: 'sent' },
      { to: 'failed' },
      { to: 'apart' },
      { to: 'retry', dueAt: now() },
    ] as const) {
      expect(await engine.settleMail(stale, sent, to)).toBe('lost')
    }
    expect(await engine.find(event.id)).toEqual(before)
    expect(await engine.settleMail(fresh, sent, { to: 'sent' })).toBe('settled')
  })

  check('a lease that ran out still settles while nobody else has claimed', async ({ engine, advance }) => {
    const event = await oweMail(engine)
    const { lease } = await claimMail(engine)
    await advance(leaseMs * 3)
    expect(await engine.settleMail(lease, sent, { to: 'sent' })).toBe('settled')
    expect((await told(engine, event.id)).delivery.state).toBe('emailed')
  })

  check('whoever takes over may claim at once the mails in work', async ({ engine, another, open }) => {
    await oweMail(engine)
    const { lease } = await claimMail(engine)
    await engine.close()
    const second = another()
    await open(second)
    expect((await claimMail(second)).mail).toMatchObject({ id: lease.id, tries: 0 })
    expect(await second.settleMail(lease, sent, { to: 'sent' })).toBe('lost')
  })

  const interruptionsOf = (mails: MailClaim[]) => mails.map(({ mail }) => mail.interruptions)

  check('a mail whose lease ran out was interrupted, unless it was settled or released', async (subject) => {
    const { engine, now, advance } = subject
    await oweMail(engine)
    const first = await claimMail(engine)
    expect(first.mail.interruptions).toBe(0)
    await engine.release([first.lease])
    const { lease, mail } = await claimMail(engine)
    expect(mail.interruptions).toBe(0)
    await engine.settleMail(lease, { ...refused, permanent: false }, { to: 'retry', dueAt: now() })
    expect((await claimMail(engine)).mail.interruptions).toBe(0)
    await advance(leaseMs)
    expect((await claimMail(engine)).mail).toMatchObject({ interruptions: 1, tries: 1 })
    await advance(leaseMs)
    expect((await claimMail(engine)).mail).toMatchObject({ interruptions: 2, tries: 1 })
  })

  check('whoever takes over counts the mails in work as interrupted', async ({ engine, another, open }) => {
    await oweMail(engine)
    await claimMail(engine)
    await engine.close()
    const second = another()
    await open(second)
    expect((await claimMail(second)).mail.interruptions).toBe(1)
  })

  check(
    'of mails interrupted twice one is in work at a time, the least interrupted first',
    async (subject) => {
      const { engine, advance } = subject
      for (let n = 0; n < 3; n += 1) await oweMail(engine)
      for (let times = 0; times < 2; times += 1) {
        await claimMails(engine)
        await advance(leaseMs)
      }
      expect(interruptionsOf(await claimMails(engine))).toEqual([2, 2, 2])
      await advance(leaseMs)
      await oweMail(engine)
      const [suspect, other, ...more] = await claimMails(engine)
      expect(interruptionsOf([suspect!, other!, ...more])).toEqual([3, 0])
      expect(await claimMails(engine)).toEqual([])
      await engine.settleMail(other!.lease, sent, { to: 'sent' })
      expect(await claimMails(engine)).toEqual([])
      await advance(leaseMs)
      const [second] = await claimMails(engine)
      expect(second!.mail).toMatchObject({ interruptions: 3 })
      expect(second!.mail.id).not.toBe(suspect!.mail.id)
      await engine.settleMail(second!.lease, sent, { to: 'sent' })
      expect((await claimMail(engine)).mail.id).not.toBe(suspect!.mail.id)
    },
  )
}
