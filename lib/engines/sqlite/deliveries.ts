// The SQL of events and deliveries: accept, claim, settle, renew, release, replay, cancel. Every call runs in
// the transaction of its batch; see store.ts.
import type { DatabaseSync } from 'node:sqlite'
import type { Attempt, NewMail, Next } from '../../delivery.ts'
import type { ClaimRow, DeliveryRow } from '../../engine/rows.ts'
import type { Accepted, Lease, Room } from '../../engine.ts'
import { deliveryColumns } from './columns.ts'
import type { Owner } from './owner.ts'
import type { Repeats } from './repeats.ts'

/** When a call runs, and what it found out for the listeners. */
export type Turn = { now: number; isDue: boolean }

/** An acceptance with its event and endpoints as JSON already. */
export type AcceptanceRow = {
  id: string
  gateway: string
  identity: string
  event: string
  hasMedia: boolean
  endpoints: { id: string; json: string }[]
  join: boolean
}

export type Wish = { limit: number; leaseMs: number; room: Room }

// A claim of media-laden messages must not fill the host's memory: beyond 16 MB the rest is left for the next.
const claimChars = 16 * 2 ** 20

/** An endpoint with something due: since when its longest due first try, and its longest due retry. */
type Head = { id: string; first: number | null; again: number | null }
/** 0 is a first try, 1 a retry. */
type Kind = 0 | 1
type Urgency = { isRetry: Kind; readyAt: number }
type Due = Urgency & { seq: number; endpoint: string }
type Settling = { tries: number; round: number; readyAt: number }

/** Those of the kind that leads come before the others, then the longest due. */
const byUrgency = (lead: Kind) => (a: Urgency, b: Urgency) =>
  (a.isRetry ^ lead) - (b.isRetry ^ lead) || a.readyAt - b.readyAt

export const deliveryCalls = (db: DatabaseSync, owner: Owner, repeats: Repeats) => {
  const insertEvent = db.prepare(`
    INSERT INTO events (id, gateway, identity, stored_at, event, has_media) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (gateway, identity) DO NOTHING`)
  const eventSeq = db.prepare('SELECT seq FROM events WHERE gateway = ? AND identity = ? AND has_text = 1')
  const insertDelivery = db.prepare(`
    INSERT INTO deliveries (event, endpoint_id, endpoint, created_at, due_at, ready_at)
    VALUES (?1, ?2, ?3, ?4, ?4, ?4) ON CONFLICT (event, endpoint_id) DO NOTHING`)

  // Hops from one endpoint with pending deliveries to the next, so that neither the parked deliveries of one nor
  // its due ones cost the others anything. The index is named because SQLite would choose the one of the states.
  const pending = "deliveries INDEXED BY deliveries_ready WHERE state = 'pending'"
  const dueEndpoints = db.prepare(`
    WITH RECURSIVE endpoints (id) AS (
      SELECT (SELECT min(endpoint_id) FROM ${pending})
      UNION ALL
      SELECT (SELECT min(endpoint_id) FROM ${pending} AND endpoint_id > endpoints.id)
      FROM endpoints WHERE endpoints.id IS NOT NULL
    )
    SELECT id, first, again FROM (
      SELECT id,
        (SELECT min(ready_at) FROM ${pending} AND endpoint_id = id AND retry = 0 AND ready_at <= ?1) AS first,
        (SELECT min(ready_at) FROM ${pending} AND endpoint_id = id AND retry = 1 AND ready_at <= ?1) AS again
      FROM endpoints WHERE id IS NOT NULL
    ) WHERE first IS NOT NULL OR again IS NOT NULL`)
  const dueOf = db.prepare(`
    SELECT seq, endpoint_id AS endpoint, retry AS isRetry, ready_at AS readyAt FROM ${pending} AND endpoint_id = ? AND retry = ? AND ready_at <= ?
    ORDER BY ready_at LIMIT ?`)
  const told = db.prepare(`
    SELECT ${deliveryColumns}, e.event FROM deliveries d JOIN events e ON e.seq = d.event WHERE d.seq = ?`)
  const lend = db.prepare(`
    UPDATE deliveries SET interruptions = interruptions + trying, trying = 1, lease = ?, ready_at = ? WHERE seq = ?`)

  const leased = db.prepare(
    'SELECT tries, round, ready_at AS readyAt FROM deliveries WHERE seq = ? AND lease = ?',
  )
  const insertAttempt = db.prepare('INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?)')
  const retry = db.prepare(`
    UPDATE deliveries SET tries = ?, trying = 0, due_at = ?, ready_at = ?, lease = iif(?, lease, NULL) WHERE seq = ?`)
  const insertMail = db.prepare(`
    INSERT INTO mails (recipients, message_id, created_at, due_at, ready_at) VALUES (?1, ?2, ?3, ?3, ?3)`)
  const leave = db.prepare(`
    UPDATE deliveries SET state = ?, tries = ?, trying = 0, due_at = NULL, ready_at = NULL, lease = NULL,
      ended_at = ?, reason = ?, mail = ? WHERE seq = ?`)

  const renew = db.prepare(`
    UPDATE deliveries SET ready_at = max(due_at, ?1), trying = max(trying, due_at <= ?2)
    WHERE seq = ?3 AND lease = ?4`)
  const renewMail = db.prepare('UPDATE mails SET ready_at = ? WHERE seq = ? AND lease = ?')
  const release = db.prepare(`
    UPDATE deliveries SET lease = NULL, trying = 0, ready_at = due_at WHERE seq = ? AND lease = ?`)
  const releaseMail = db.prepare(
    'UPDATE mails SET lease = NULL, sending = 0, ready_at = due_at WHERE seq = ? AND lease = ?',
  )

  const replay = db.prepare(`
    UPDATE deliveries SET state = 'pending', round = round + 1, tries = 0, interruptions = 0, due_at = ?1,
      ready_at = ?1, ended_at = NULL, reason = NULL, mail = NULL
    WHERE seq = ?2 AND state NOT IN ('pending', 'mailing')
      AND (SELECT has_text FROM events WHERE seq = deliveries.event) = 1`)
  const mailOf = db.prepare('SELECT mail FROM deliveries WHERE seq = ? AND mail IS NOT NULL')
  // What no delivery refers to any more would outlive the event that it was about.
  const dropMail = db.prepare(`
    DELETE FROM mails WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE mail = ?1)`)
  const cancel = db.prepare(`
    UPDATE deliveries SET state = 'cancelled', trying = 0, due_at = NULL, ready_at = NULL, lease = NULL,
      ended_at = ? WHERE seq = ? AND state = 'pending'`)

  const mailed = (mail: NewMail, now: number) =>
    insertMail.run(JSON.stringify(mail.to), mail.messageId, now).lastInsertRowid

  /** Which kind the next claim prefers: first tries, unless the claim before passed retries over for them. */
  let lead: Kind = 0

  const dueFor = (id: string, space: number, now: number): Due[] => {
    const leading = dueOf.all(id, lead, now, space) as Due[]
    if (leading.length >= space) return leading
    return [...leading, ...(dueOf.all(id, 1 - lead, now, space - leading.length) as Due[])]
  }

  const headOf = ({ id, first, again }: Head): Urgency & { id: string } => {
    const isRetry = (lead === 0 ? first === null : again !== null) ? 1 : 0
    return { id, isRetry, readyAt: (isRetry ? again : first)! }
  }

  /** An endpoint that is slow and busy would never come to its retries, nor so to its emails. */
  const leadAfter = (heads: readonly Head[], claimed: readonly Due[]): Kind => {
    const retried = new Set(claimed.filter(({ isRetry }) => isRetry).map(({ endpoint }) => endpoint))
    const arePassedOver = heads.some(({ id, again }) => again !== null && !retried.has(id))
    return arePassedOver && claimed.some(({ isRetry }) => !isRetry) ? 1 : 0
  }

  /** What was pruned of its text has nothing left to deliver. */
  const joinable = (gateway: string, identity: string) =>
    (eventSeq.get(gateway, identity) as { seq: number } | undefined)?.seq

  return {
    accept(items: readonly AcceptanceRow[], turn: Turn): Accepted[] {
      return items.map(({ id, gateway, identity, event, hasMedia, endpoints, join }) => {
        if (repeats.isKnown(gateway, identity)) return 'repeat'
        const stored = insertEvent.run(id, gateway, identity, turn.now, event, hasMedia ? 1 : 0)
        const isNew = stored.changes === 1
        const seq = isNew ? stored.lastInsertRowid : join && joinable(gateway, identity)
        if (!seq) return 'repeat'
        const owed = endpoints.filter(
          (endpoint) => insertDelivery.run(seq, endpoint.id, endpoint.json, turn.now).changes === 1,
        )
        if (owed.length > 0) turn.isDue = true
        return isNew || owed.length > 0 ? 'stored' : 'repeat'
      })
    },

    claim({ limit, leaseMs, room }: Wish, turn: Turn): ClaimRow[] {
      if (!owner.confirm(turn.now)) return []
      const spaceOf = (id: string) =>
        Math.min(limit, Object.hasOwn(room.of, id) ? room.of[id]! : room.default)
      const heads = (dueEndpoints.all(turn.now) as Head[]).filter(({ id }) => spaceOf(id) > 0)
      // Each of the first `limit` endpoints has one that is more urgent than all that the others have.
      const nearest = heads.map(headOf).sort(byUrgency(lead)).slice(0, limit)
      const due = nearest
        .flatMap(({ id }) => dueFor(id, spaceOf(id), turn.now))
        .sort(byUrgency(lead))
        .slice(0, limit)
      lead = leadAfter(heads, due)

      const claims: ClaimRow[] = []
      let chars = 0
      for (const { seq } of due) {
        if (chars > claimChars) {
          turn.isDue = true
          break
        }
        const token = owner.token()
        lend.run(token, turn.now + leaseMs, seq)
        const delivery = told.get(seq) as DeliveryRow
        chars += delivery.event.length
        claims.push({ token, delivery })
      }
      return claims
    },

    settle(
      { lease, attempt, next }: { lease: Lease; attempt: Attempt | null; next: Next },
      turn: Turn,
    ): 'settled' | 'lost' {
      const row = leased.get(lease.id, lease.token) as Settling | undefined
      if (!row) return 'lost'
      const tries = row.tries + (attempt ? 1 : 0)
      if (attempt) {
        const { startedAt, tookMs, outcome } = attempt
        insertAttempt.run(lease.id, row.round, tries, startedAt, tookMs, JSON.stringify(outcome))
      }
      switch (next.to) {
        case 'retry': {
          const readyAt = next.hold ? Math.max(next.dueAt, row.readyAt) : next.dueAt
          retry.run(tries, next.dueAt, readyAt, next.hold ? 1 : 0, lease.id)
          if (!next.hold && next.dueAt <= turn.now) turn.isDue = true
          return 'settled'
        }
        case 'mailing':
          leave.run('mailing', tries, null, next.reason, mailed(next.mail, turn.now), lease.id)
          turn.isDue = true
          return 'settled'
        case 'delivered':
          leave.run('delivered', tries, turn.now, null, null, lease.id)
          return 'settled'
        case 'failed':
          leave.run('failed', tries, turn.now, next.reason, null, lease.id)
          return 'settled'
      }
    },

    renew(
      { leases, leaseMs }: { leases: readonly Lease[]; leaseMs: number },
      turn: Turn,
    ): ('renewed' | 'lost')[] {
      owner.touch(turn.now)
      const until = turn.now + leaseMs
      return leases.map(({ id, token }) => {
        if (renew.run(until, turn.now, id, token).changes === 1) return 'renewed'
        return renewMail.run(until, id, token).changes === 1 ? 'renewed' : 'lost'
      })
    },

    release(leases: readonly Lease[], turn: Turn): void {
      for (const { id, token } of leases) {
        release.run(id, token)
        releaseMail.run(id, token)
      }
      turn.isDue = true
    },

    replay(ids: readonly string[], turn: Turn): number {
      const replayed = ids.filter((id) => {
        const row = mailOf.get(id) as { mail: number } | undefined
        const isReplayed = replay.run(turn.now, id).changes === 1
        if (isReplayed && row) dropMail.run(row.mail)
        return isReplayed
      }).length
      if (replayed > 0) turn.isDue = true
      return replayed
    },

    cancel(ids: readonly string[], turn: Turn): number {
      return ids.filter((id) => cancel.run(turn.now, id).changes === 1).length
    },
  }
}
