// The SQL that prunes what is old, a slice at a time: each walk goes through an index in the order of age and
// stops when its slice is full, to go on from there. Of two processes, each passes over what the other has locked.
// In the files of the tables what is gone stays until PostgreSQL's own vacuuming.
import { withoutMedia, withoutText } from '../../engine/pruned.ts'
import { type Pruned, type Pruning, repeatMs } from '../../engine.ts'
import type { SmsEvent } from '../../event.ts'
import type { Tx } from './pool.ts'
import { removeEvents } from './removal.ts'
import type { Store } from './store.ts'

// Files that came along make a few events as large as thousands; a slice holds no more of them than this, or one.
const mostBytes = 2 ** 20

/** The last row that a walk looked at. */
type Position = { walk: number; at: number; seq: string }
type Row = { seq: string; storedAt: number; bytes: number }
/** `where` chooses an index; `prune` answers how many it did. */
type Walk = { before: number | undefined; where: string; prune(seqs: readonly string[]): Promise<number> }

const beginning = { at: Number.MIN_SAFE_INTEGER, seq: '0' }

const positionOf = (cursor: string | undefined): Position => {
  if (cursor === undefined) return { walk: 0, ...beginning }
  const [walk, at, seq] = cursor.split(' ')
  return { walk: Number(walk), at: Number(at), seq: seq! }
}

/** Those that fit: the last may be too large. */
const fitting = <One extends { bytes: number }>(rows: readonly One[], left: number): One[] => {
  let bytes = 0
  const end = rows.findIndex((row) => {
    bytes += row.bytes
    return bytes > left
  })
  return end < 0 ? [...rows] : rows.slice(0, end + 1)
}
const bytesOf = (rows: readonly { bytes: number }[]): number => rows.reduce((sum, row) => sum + row.bytes, 0)

/** Locked, so that nobody comes to be owed one. */
const older = async (
  tx: Tx,
  { schema }: Store,
  { where, before }: Walk,
  { at, seq }: Position,
  limit: number,
): Promise<Row[]> => {
  const { rows } = await tx.query(
    `SELECT e.seq::text, e.stored_at AS "storedAt", octet_length(e.event) AS bytes
     FROM ${schema}.events e
     WHERE ${where} AND (e.stored_at, e.seq) > ($1::double precision, $2::bigint) AND e.stored_at < $3
     ORDER BY e.stored_at, e.seq LIMIT $4 FOR UPDATE OF e SKIP LOCKED`,
    [at, seq, before, limit],
  )
  return rows
}

const owed = "state IN ('pending', 'mailing')"

/** Those that are owed no more. What has ended is locked, and looked at again: nobody begins it anew meanwhile. */
const notOwed = async (tx: Tx, { schema }: Store, rows: readonly Row[]): Promise<string[]> => {
  const without = async (seqs: string[], sql: string): Promise<string[]> => {
    if (seqs.length === 0) return []
    const deliveries = await tx.query(sql, [seqs])
    const those = new Set(deliveries.rows.flatMap(({ seq, isOwed }) => (isOwed ? [seq] : [])))
    return seqs.filter((seq) => !those.has(seq))
  }
  const select = `SELECT event::text AS seq, ${owed} AS "isOwed" FROM ${schema}.deliveries
    WHERE event = ANY($1::bigint[])`
  const ended = await without(
    rows.map(({ seq }) => seq),
    `${select} AND ${owed}`,
  )
  return without(ended, `${select} ORDER BY id FOR UPDATE`)
}

/** An attempt or a mail of an event, and what became of it. */
type Told = { event: string; outcome: string }

/** What servers said may repeat the text. */
const silenced = (json: string): string => {
  const outcome = JSON.parse(json)
  for (const name of ['excerpt', 'message', 'response']) if (name in outcome) outcome[name] = ''
  return JSON.stringify(outcome)
}
const silence = <One extends Told>(told: readonly One[], event: string): One[] =>
  told.filter((one) => one.event === event).map((one) => ({ ...one, outcome: silenced(one.outcome) }))

/** Without what cannot be read: it is passed over until all of it is old enough to go. */
const readable = <One, Value>(all: readonly One[], read: (one: One) => Value): Value[] =>
  all.flatMap((one) => {
    try {
      return [read(one)]
    } catch (error) {
      if (error instanceof SyntaxError) return []
      throw error
    }
  })

type Stored = { seq: string; event: string }

const eventsOf = async (tx: Tx, { schema }: Store, seqs: readonly string[]): Promise<Stored[]> =>
  (await tx.query(`SELECT seq::text, event FROM ${schema}.events WHERE seq = ANY($1::bigint[])`, [seqs])).rows

const update = async (
  tx: Tx,
  { schema }: Store,
  events: readonly Stored[],
  column: 'has_text' | 'has_media',
) => {
  await tx.query(
    `UPDATE ${schema}.events e SET event = t.event, ${column} = false
     FROM unnest($1::bigint[], $2::text[]) AS t (seq, event) WHERE e.seq = t.seq`,
    [events.map(({ seq }) => seq), events.map(({ event }) => event)],
  )
  return events.length
}

const changed = ({ seq, event }: Stored, change: (event: SmsEvent) => SmsEvent): Stored => ({
  seq,
  event: JSON.stringify(change(JSON.parse(event))),
})

const cutMedia = async (tx: Tx, store: Store, seqs: readonly string[]): Promise<number> => {
  const events = await eventsOf(tx, store, seqs)
  const cut = readable(events, (one) => changed(one, withoutMedia))
  return update(tx, store, cut, 'has_media')
}

const cutText = async (tx: Tx, store: Store, seqs: readonly string[]): Promise<number> => {
  const { schema } = store
  const of = `FROM ${schema}.deliveries d`
  const where = 'WHERE d.event = ANY($1::bigint[])'
  const events = await eventsOf(tx, store, seqs)
  const attempts = await tx.query(
    `SELECT d.event::text, a.delivery, a.round, a.n, a.outcome ${of}
     JOIN ${schema}.attempts a ON a.delivery = d.id ${where}`,
    [seqs],
  )
  const mails = await tx.query(
    `SELECT d.event::text, m.id, m.outcome ${of}
     JOIN ${schema}.mails m ON m.id = d.mail ${where} AND m.outcome IS NOT NULL`,
    [seqs],
  )
  const cut = readable(events, (one) => ({
    event: changed(one, withoutText),
    attempts: silence(attempts.rows, one.seq),
    mails: silence(mails.rows, one.seq),
  }))
  const cutAttempts = cut.flatMap((one) => one.attempts)
  await tx.query(
    `UPDATE ${schema}.attempts a SET outcome = t.outcome
     FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[]) AS t (delivery, round, n, outcome)
     WHERE a.delivery = t.delivery AND a.round = t.round AND a.n = t.n`,
    ['delivery', 'round', 'n', 'outcome'].map((name) => cutAttempts.map((one) => one[name])),
  )
  const cutMails = cut.flatMap((one) => one.mails)
  await tx.query(
    `UPDATE ${schema}.mails m SET outcome = t.outcome
     FROM unnest($1::uuid[], $2::text[]) AS t (id, outcome) WHERE m.id = t.id`,
    [cutMails.map(({ id }) => id), cutMails.map(({ outcome }) => outcome)],
  )
  return update(
    tx,
    store,
    cut.map(({ event }) => event),
    'has_text',
  )
}

const walksOf = (
  tx: Tx,
  store: Store,
  { textBefore, mediaBefore, eventsBefore }: Pruning,
  now: number,
): Walk[] => {
  const removing = (where: string): Walk => ({
    before: eventsBefore,
    where,
    prune: async (seqs) => {
      await removeEvents(tx, store, seqs, now - repeatMs)
      return seqs.length
    },
  })
  return [
    removing('e.has_text'),
    removing('NOT e.has_text'),
    { before: textBefore, where: 'e.has_text', prune: (seqs) => cutText(tx, store, seqs) },
    { before: mediaBefore, where: 'e.has_media', prune: (seqs) => cutMedia(tx, store, seqs) },
  ]
}

/** What hangs on no event. */
const pruneRest = async (
  tx: Tx,
  { schema }: Store,
  { textBefore, eventsBefore, limit }: Pruning,
  now: number,
): Promise<{ pruned: number; isMore: boolean }> => {
  const unread = new Date(Math.max(textBefore ?? 0, eventsBefore ?? 0, 0)).toISOString()
  const { rows } = await tx.query(
    `SELECT seq::text, octet_length(body) AS bytes FROM ${schema}.quarantine
     WHERE received_at COLLATE "C" < $1 ORDER BY quarantine.seq LIMIT $2 FOR UPDATE SKIP LOCKED`,
    [unread, limit],
  )
  const requests = fitting(rows, mostBytes)
  await tx.query(`DELETE FROM ${schema}.quarantine WHERE seq = ANY($1::bigint[])`, [
    requests.map(({ seq }) => seq),
  ])
  const pruned = requests.length
  if (bytesOf(requests) > mostBytes) return { pruned, isMore: true }
  if (eventsBefore === undefined || pruned === limit) return { pruned, isMore: pruned === limit }
  const repeats = await tx.query(
    `DELETE FROM ${schema}.repeats WHERE hash = ANY (ARRAY(
       SELECT hash FROM ${schema}.repeats WHERE stored_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1`,
    [Math.min(eventsBefore, now - repeatMs), limit - pruned],
  )
  const all = pruned + repeats.rows.length
  return { pruned: all, isMore: all === limit }
}

export const prune = (store: Store, wish: Pruning, now: number): Promise<Pruned> =>
  store.pool.transact(async (tx) => {
    const walks = walksOf(tx, store, wish, now)
    let position = positionOf(wish.cursor)
    let [pruned, looked, bytes] = [0, 0, 0]
    for (; position.walk < walks.length; position = { walk: position.walk + 1, ...beginning }) {
      const walk = walks[position.walk]!
      if (walk.before === undefined) continue
      const rows = fitting(await older(tx, store, walk, position, wish.limit - looked), mostBytes - bytes)
      const last = rows.at(-1)
      if (!last) continue
      const seqs = await notOwed(tx, store, rows)
      if (seqs.length > 0) pruned += await walk.prune(seqs)
      looked += rows.length
      bytes += bytesOf(rows)
      if (looked === wish.limit || bytes > mostBytes)
        return { pruned, cursor: [position.walk, last.storedAt, last.seq].join(' ') }
    }
    const rest = [position.walk, beginning.at, beginning.seq].join(' ')
    if (looked > 0) return { pruned, cursor: rest }
    const { pruned: others, isMore } = await pruneRest(tx, store, wish, now)
    return { pruned: others, cursor: isMore ? rest : null }
  })
