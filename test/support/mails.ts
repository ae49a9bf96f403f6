// The mail side of an engine, in memory: what a postman needs, with the clock of the test.
import type { Mail, MailOutcome } from '../../lib/delivery.ts'
import type { Engine, Lease, MailClaim, Story } from '../../lib/engine.ts'
import { EngineError } from '../../lib/errors.ts'
import type { ManualClock } from './manual-clock.ts'
import { story } from './stories.ts'

type Row = { mail: Mail; stories: Story[]; lease: { token: string; until: number } | null }

export type MailEngine = Pick<Engine, 'claimMails' | 'settleMail' | 'renew' | 'release' | 'onDue'> & {
  owe(fields?: { to?: string[]; stories?: Story[]; interruptions?: number }): Mail
  mail(id: string): Mail
  /** Every call, by name. */
  readonly calls: string[]
  /** Rejects everything while true. */
  failing: boolean
  /** Takes the lease of a mail away, as another process would. */
  steal(id: string): void
  /** Voids all leases, as the process does that follows one that died. */
  takeOver(): void
}

export const mailEngine = (clock: ManualClock): MailEngine => {
  const rows = new Map<string, Row>()
  const listeners = new Set<() => void>()
  const calls: string[] = []
  let mails = 0
  let tokens = 0

  const wake = () => {
    for (const listener of listeners) listener()
  }
  const call = (name: string) => {
    calls.push(name)
    if (engine.failing) throw new EngineError('engine-busy', 'the database is busy')
  }
  const ours = ({ id, token }: Lease): Row | null => {
    const row = rows.get(id)
    return row?.lease?.token === token ? row : null
  }

  const engine: MailEngine = {
    calls,
    failing: false,
    owe({ to = ['owner@example.com'], stories = [story()], interruptions = 0 } = {}) {
      mails += 1
      const id = `mail-${mails}`
      const mail: Mail = {
        id,
        to,
        messageId: `<${id}@example.com>`,
        state: 'pending',
        tries: 0,
        interruptions,
        createdAt: clock.now(),
        dueAt: clock.now(),
        endedAt: null,
        outcome: null,
      }
      rows.set(id, { mail, stories, lease: null })
      wake()
      return mail
    },
    mail: (id) => rows.get(id)!.mail,
    steal: (id) => {
      rows.get(id)!.lease = { token: 'another', until: Number.POSITIVE_INFINITY }
    },
    takeOver: () => {
      for (const row of rows.values()) row.lease = null
    },
    onDue(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async claimMails({ limit, leaseMs }) {
      call('claimMails')
      const due = [...rows.values()].filter(
        ({ mail, lease }) =>
          mail.state === 'pending' &&
          mail.dueAt! <= clock.now() &&
          (lease === null || lease.until <= clock.now()),
      )
      return due.slice(0, limit).map((row): MailClaim => {
        tokens += 1
        row.lease = { token: `token-${tokens}`, until: clock.now() + leaseMs }
        return { lease: { id: row.mail.id, token: row.lease.token }, mail: row.mail, stories: row.stories }
      })
    },
    async settleMail(lease, outcome: MailOutcome, next) {
      call('settleMail')
      const row = ours(lease)
      if (!row) return 'lost'
      if (next.to === 'apart') {
        rows.delete(lease.id)
        const middle = Math.ceil(row.stories.length / 2)
        for (const half of [row.stories.slice(0, middle), row.stories.slice(middle)])
          engine.owe({ to: row.mail.to, stories: half })
        return 'settled'
      }
      const dueAt = next.to === 'retry' ? next.dueAt : null
      row.lease = null
      row.mail = {
        ...row.mail,
        outcome,
        tries: row.mail.tries + 1,
        state: next.to === 'retry' ? 'pending' : next.to,
        dueAt,
      }
      if (dueAt !== null) clock.after(dueAt - clock.now(), wake)
      return 'settled'
    },
    async release(leases) {
      call('release')
      for (const lease of leases) {
        const row = ours(lease)
        if (row) row.lease = null
      }
    },
    async renew(leases, leaseMs) {
      call('renew')
      return leases.map((lease) => {
        const row = ours(lease)
        if (row) row.lease!.until = clock.now() + leaseMs
        return row ? 'renewed' : 'lost'
      })
    },
  }
  return engine
}
