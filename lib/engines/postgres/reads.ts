// The SQL of what is only read: find, list, counts.
import { noDeliveries, noMails } from '../../engine/none.ts'
import type { DeliveryRow, FoundRow, MailRow, PageRow } from '../../engine/rows.ts'
import type { Counts, Filter } from '../../engine.ts'
import { attemptColumns, columnText, deliveryColumns, isId, mailColumns, type Store } from './store.ts'
import { attemptsOf } from './stories.ts'

const conditions = {
  state: 'd.state',
  endpoint: 'd.endpoint_id',
  gateway: 'e.gateway',
}
const filters = Object.keys(conditions) as (keyof typeof conditions)[]

export type Listing = { filter: Filter; limit: number; cursor: string | undefined }

/** What a cursor that is none of ours would be, the database refuses. */
const isCursor = (cursor: string): boolean => /^\d{1,18}$/.test(cursor)

/** All statements of the transaction see the same. */
const consistent = 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY'

export const readCalls = ({ schema, pool }: Store) => ({
  find: (id: string): Promise<FoundRow | null> =>
    pool.transact(async (tx) => {
      const events = await tx.query(
        `SELECT seq::text, event FROM ${schema}.events WHERE id = $1
         UNION ALL
         SELECT e.seq::text, e.event FROM ${schema}.deliveries d JOIN ${schema}.events e ON e.seq = d.event
         WHERE d.id = $2::uuid LIMIT 1`,
        [columnText(id), isId(id) ? id : null],
      )
      if (events.rows.length === 0) return null
      const { seq, event } = events.rows[0]
      const deliveries = await tx.query(
        `SELECT ${deliveryColumns} FROM ${schema}.deliveries d WHERE d.event = $1 ORDER BY d.seq`,
        [seq],
      )
      const attempts = await tx.query(
        `SELECT a.delivery, ${attemptColumns} FROM ${schema}.deliveries d JOIN ${schema}.attempts a ON a.delivery = d.id
         WHERE d.event = $1 ORDER BY a.round, a.n`,
        [seq],
      )
      const mails = await tx.query(
        `SELECT ${mailColumns} FROM ${schema}.mails m
         WHERE m.id IN (SELECT mail FROM ${schema}.deliveries WHERE event = $1)`,
        [seq],
      )
      const attemptsBy = attemptsOf(attempts.rows)
      const mailOf = new Map<unknown, MailRow>(mails.rows.map((mail) => [mail.id, mail]))
      return {
        event,
        deliveries: deliveries.rows.map((row) => ({
          delivery: { ...row, event },
          attempts: attemptsBy.get(row.id) ?? [],
          mail: mailOf.get(row.mail) ?? null,
        })),
      }
    }, consistent),

  async list({ filter, limit, cursor }: Listing): Promise<PageRow> {
    if (cursor !== undefined && !isCursor(cursor)) return { deliveries: [], cursor: null }
    const names = filters.filter((name) => filter[name] !== undefined)
    const values = names.map((name) => columnText(filter[name]!))
    const where = names.map((name, index) => `${conditions[name]} = $${index + 3}`)
    const { rows } = await pool.query(
      `SELECT ${deliveryColumns}, d.seq::text, e.event
       FROM ${schema}.deliveries d JOIN ${schema}.events e ON e.seq = d.event
       WHERE ${['d.seq < $1', ...where].join(' AND ')} ORDER BY d.seq DESC LIMIT $2`,
      [cursor ?? '9223372036854775807', limit + 1, ...values],
    )
    const page = rows.slice(0, limit)
    const last = page.at(-1)
    const deliveries = page.map(({ seq: _, ...delivery }): DeliveryRow => delivery)
    return { deliveries, cursor: last && rows.length > limit ? last.seq : null }
  },

  async counts(): Promise<Counts> {
    const { rows } = await pool.query(
      `SELECT 'events' AS kind, NULL AS state, count(*)::double precision AS n FROM ${schema}.events
       UNION ALL SELECT 'quarantined', NULL, count(*) FROM ${schema}.quarantine
       UNION ALL SELECT 'deliveries', state, count(*) FROM ${schema}.deliveries GROUP BY state
       UNION ALL SELECT 'mails', state, count(*) FROM ${schema}.mails GROUP BY state`,
    )
    const of = (kind: string) => rows.filter((row) => row.kind === kind)
    const byState = (kind: string) => Object.fromEntries(of(kind).map(({ state, n }) => [state, n]))
    return {
      events: of('events')[0].n,
      deliveries: { ...noDeliveries, ...byState('deliveries') },
      mails: { ...noMails, ...byState('mails') },
      quarantined: of('quarantined')[0].n,
    }
  },
})
