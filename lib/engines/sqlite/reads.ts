// The SQL of what is only read: find, list, counts.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { noDeliveries, noMails } from '../../engine/none.ts'
import type { AttemptRow, DeliveryRow, FoundRow, MailRow, PageRow } from '../../engine/rows.ts'
import type { Counts, Filter } from '../../engine.ts'
import { attemptColumns, deliveryColumns, mailColumns } from './columns.ts'

const conditions = {
  state: 'd.state = :state',
  endpoint: 'd.endpoint_id = :endpoint',
  gateway: 'e.gateway = :gateway',
  cursor: 'd.seq < :cursor',
}

type Listing = { filter: Filter; limit: number; cursor: string | undefined }

export const readCalls = (db: DatabaseSync) => {
  const eventById = db.prepare('SELECT seq, event FROM events WHERE id = ?')
  const eventByDelivery = db.prepare(`
    SELECT e.seq, e.event FROM deliveries d JOIN events e ON e.seq = d.event WHERE d.seq = ?`)
  const deliveries = db.prepare(`
    SELECT ${deliveryColumns}, e.event FROM deliveries d JOIN events e ON e.seq = d.event
    WHERE d.event = ? ORDER BY d.seq`)
  const attempts = db.prepare(`SELECT ${attemptColumns} FROM attempts WHERE delivery = ? ORDER BY round, n`)
  const mail = db.prepare(`SELECT ${mailColumns} FROM mails WHERE seq = ?`)

  const counts = {
    events: db.prepare('SELECT count(*) AS n FROM events'),
    deliveries: db.prepare('SELECT state, count(*) AS n FROM deliveries GROUP BY state'),
    mails: db.prepare('SELECT state, count(*) AS n FROM mails GROUP BY state'),
    quarantined: db.prepare('SELECT count(*) AS n FROM quarantine'),
  }
  const one = (statement: StatementSync) => (statement.get() as { n: number }).n
  const byState = <Zeros extends Record<string, number>>(statement: StatementSync, zeros: Zeros): Zeros => {
    const rows = statement.all() as { state: string; n: number }[]
    return { ...zeros, ...Object.fromEntries(rows.map(({ state, n }) => [state, n])) }
  }

  const listings = new Map<string, StatementSync>()
  const listing = (names: readonly (keyof typeof conditions)[]): StatementSync => {
    const key = names.join()
    const known = listings.get(key)
    if (known) return known
    const where = ['TRUE', ...names.map((name) => conditions[name])].join(' AND ')
    // CROSS JOIN keeps SQLite from starting with the events, which would sort all that match for one page.
    const made = db.prepare(`
      SELECT ${deliveryColumns}, e.event FROM deliveries d CROSS JOIN events e ON e.seq = d.event
      WHERE ${where} ORDER BY d.seq DESC LIMIT :limit`)
    listings.set(key, made)
    return made
  }

  return {
    find(id: string): FoundRow | null {
      const event = (eventById.get(id) ?? eventByDelivery.get(id)) as
        | { seq: number; event: string }
        | undefined
      if (!event) return null
      const rows = deliveries.all(event.seq) as DeliveryRow[]
      return {
        event: event.event,
        deliveries: rows.map((delivery) => ({
          delivery,
          attempts: attempts.all(delivery.id) as AttemptRow[],
          mail: delivery.mail === null ? null : (mail.get(delivery.mail) as MailRow),
        })),
      }
    },

    list({ filter, limit, cursor }: Listing): PageRow {
      const wanted = { ...filter, cursor }
      const names = (Object.keys(conditions) as (keyof typeof conditions)[]).filter(
        (name) => wanted[name] !== undefined,
      )
      const values = Object.fromEntries(names.map((name) => [name, wanted[name] as string]))
      const rows = listing(names).all({ ...values, limit: limit + 1 }) as DeliveryRow[]
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return { deliveries: page, cursor: last && rows.length > limit ? String(last.id) : null }
    },

    counts(): Counts {
      return {
        events: one(counts.events),
        deliveries: byState(counts.deliveries, noDeliveries),
        mails: byState(counts.mails, noMails),
        quarantined: one(counts.quarantined),
      }
    },
  }
}
