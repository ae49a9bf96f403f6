// A SQLite file with one of everything in it, and all that an engine tells of what it holds, for comparing two.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import type { Engine } from '../../lib/engine.ts'
import { sqlite } from '../../lib/engines/sqlite.ts'
import type { SmsEvent } from '../../lib/event.ts'
import { attempt, claim, endpoint, mailing } from '../engines/conformance/steps.ts'
import { smsEvent } from './events.ts'
import { inline } from './files.ts'
import { recorder } from './recorder.ts'

export const hourMs = 3_600_000

const folder = mkdtempSync(join(tmpdir(), 'smshook-copy-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A name in a folder of its own, which goes when the tests have ended. */
export const freshFile = (): string => join(mkdtempSync(join(folder, 'one-')), 'smshook.db')

export const withSqlite = async <Value>(
  file: string,
  clock: Clock,
  work: (engine: Engine) => Promise<Value>,
): Promise<Value> => {
  const engine = sqlite(file)
  await engine.open({ clock, logger: recorder() })
  try {
    return await work(engine)
  } finally {
    await engine.close()
  }
}

export type Filled = Record<
  | 'waiting'
  | 'parked'
  | 'delivered'
  | 'inMail'
  | 'inParkedMail'
  | 'inDigest'
  | 'inDigestToo'
  | 'emailed'
  | 'leased'
  | 'replayed'
  | 'cancelled'
  | 'owed to nobody'
  | 'owed to a handler'
  | 'with a file'
  | 'erased',
  SmsEvent
>

/** One of everything, each in an event named after it; closed as by a process that died. */
export const fill = (file: string, clock: Clock): Promise<Filled> =>
  withSqlite(file, clock, async (engine) => {
    const owe = async (fields: Partial<SmsEvent> = {}, endpoints = [endpoint()]) => {
      const event = smsEvent(fields)
      await engine.accept([{ event, endpoints }])
      return event
    }
    const tried = async (next: Parameters<Engine['settle']>[2]) => {
      const event = await owe()
      const [one] = await claim(engine)
      await engine.settle(one!.lease, attempt(), next)
      return event
    }
    const mailed = (name: string) =>
      tried({ ...mailing, mail: { to: ['a@example.com'], messageId: `<${name}@example.com>` } })
    const rule = { mailsPerHour: 2, waitMs: 0, mostMessages: 100, mostBytes: 2 ** 30 }
    const claimMail = async () => (await engine.claimMails({ limit: 1, leaseMs: 1000, digests: rule }))[0]!
    const idOf = async ({ id }: SmsEvent) => (await engine.find(id))!.deliveries[0]!.delivery.id

    const delivered = await tried({ to: 'delivered' })
    const parked = await tried({ to: 'retry', dueAt: clock.now() + hourMs, hold: false })
    const emailed = await mailed('emailed')
    const sent = await claimMail()
    await engine.settleMail(sent.lease, { type: 'sent', response: '250', rejected: [] }, { to: 'sent' })
    const inParkedMail = await mailed('parked')
    const refused = { type: 'error', code: 'tls', permanent: false, operator: false, message: 'no' } as const
    const late = await claimMail()
    await engine.settleMail(late.lease, refused, { to: 'retry', dueAt: clock.now() + hourMs })
    const inDigest = await mailed('first')
    const inDigestToo = await mailed('second')
    await engine.release([(await claimMail()).lease])
    const inMail = await mailed('waiting')

    const replayed = await tried({ to: 'failed', reason: 'no-fallback' })
    await engine.replay([await idOf(replayed)])
    const [again] = await claim(engine)
    const later = { to: 'retry', dueAt: clock.now() + hourMs, hold: false } as const
    await engine.settle(again!.lease, attempt(2), later)
    const cancelled = await owe()
    await engine.cancel([await idOf(cancelled)])
    const erased = await owe({ from: { raw: '+61400000001', kind: 'e164', e164: '+61400000001' } })
    await engine.erase(['+61400000001'])

    const leased = await owe()
    await claim(engine)
    const waiting = await owe({ text: 'nul \u0000, half \ud83d, whole \ud83d\ude00' })
    const filled = {
      'owed to nobody': await owe({}, []),
      'owed to a handler': await owe({}, [endpoint('shop', { kind: 'handler', url: null, format: null })]),
      'with a file': await owe({ media: [inline(Buffer.alloc(300_000, 7))] }),
    }
    await engine.accept([{ event: waiting, endpoints: [endpoint('second')], join: true }])
    for (const body of ['one', 'two'])
      await engine.quarantine(
        {
          gateway: 'pbx',
          method: 'POST',
          contentType: 'text/plain',
          body: Buffer.from(body),
          receivedAt: '2026-01-01T00:00:00.000Z',
        },
        'unreadable',
      )
    return {
      waiting,
      parked,
      delivered,
      inMail,
      inParkedMail,
      inDigest,
      inDigestToo,
      emailed,
      leased,
      replayed,
      cancelled,
      erased,
      ...filled,
    }
  })

/** All that an engine tells, but for the ids of deliveries and mails: in their place stands the how-manieth it is. */
export const everything = async (engine: Engine, events: readonly SmsEvent[]) => {
  const items = []
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await engine.list({}, { limit: 3, cursor })
    items.push(...page.items)
    cursor = page.cursor
  }
  // A delivery and a mail may have the same id.
  const names = new Map<string, string>()
  const nameOf = (kind: string, id: string) => {
    const key = `${kind} ${id}`
    if (!names.has(key)) names.set(key, `the ${names.size}th`)
    return names.get(key)
  }
  const found = []
  for (const { id } of events) found.push(await engine.find(id))
  const told = JSON.stringify({ counts: await engine.counts(), items, found }, (key, value) => {
    if (key === 'mailId' && value !== null) return nameOf('mail', value)
    if (key === 'mail' && value !== null) return { ...value, id: nameOf('mail', value.id) }
    return key === 'delivery' ? { ...value, id: nameOf('delivery', value.id) } : value
  })
  return JSON.parse(told)
}
