// The SQL of events and deliveries: accept, claim, settle, renew, release, replay, cancel. Every call runs in
// the transaction of its batch; see sqlite-store.ts.
import type { DatabaseSync } from 'node:sqlite'
import type { Attempt, NewMail, Next } from '../delivery.ts'
import type { Accepted, Lease, Room } from '../engine.ts'
import type { Owner } from './sqlite-owner.ts'
import { type ClaimRow, type DeliveryRow, deliveryColumns } from './sqlite-rows.ts'

/** When a call runs, and what it found out for the listeners. */
export type Turn = { now: number; isDue: boolean }

/** An acceptance with its event and endpoints as JSON already. */
export type AcceptanceRow = {
  id: string
  gateway: string
  identity: string
  event: string
  endpoints: { id: string; json: string }[]
  join: boolean
}

export type Wish = { limit: number; leaseMs: number; room: Room }

// A claim of media-laden messages must not fill the host's memory: beyond 16 MB the rest is left for the next.
const claimChars = 16 * 2 ** 20

type Due = { seq: number; readyAt: number }
type Settling = { tries: number; round: number; readyAt: number }

export const deliveryCalls = (db: DatabaseSync, owner: Owner) => {
  const insertEvent = db.prepare(`
    INSERT INTO events (id, gateway, identity, stored_at, event) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (gateway, identity) DO NOTHING`)
  const eventSeq = db.prepare('SELECT seq FROM events WHERE gateway = ? AND identity = ?')
  const insertDelivery = db.prepare(`
    INSERT INTO deliveries (event, endpoint_id, endpoint, created_at, due_at, ready_at)
    VALUES (?1, ?2, ?3, ?4, ?4, ?4) ON CONFLICT (event, endpoint_id) DO NOTHING`)

  // Hops from one endpoint with pending deliveries to the next, so that neither ten thousand parked deliveries
  // of one nor its ten thousand due ones cost the others anything.
  const dueEndpoints = db.prepare(`
    WITH RECURSIVE endpoints (id) AS (
      SELECT min(endpoint_id) FROM deliveries WHERE state = 'pending'
      UNION ALL
      SELECT (SELECT min(endpoint_id) FROM deliveries WHERE state = 'pending' AND endpoint_id > endpoints.id)
      FROM endpoints WHERE endpoints.id IS NOT NULL
    )
    SELECT id FROM endpoints WHERE id IS NOT NULL AND (
      EXISTS (SELECT 1 FROM deliveries
        WHERE state = 'pending' AND endpoint_id = id AND retry = 0 AND ready_at <= ?1)
      OR EXISTS (SELECT 1 FROM deliveries
        WHERE state = 'pending' AND endpoint_id = id AND retry = 1 AND ready_at <= ?1))`)
  const dueOf = db.prepare(`
    SELECT seq, ready_at AS readyAt FROM deliveries
    WHERE state = 'pending' AND endpoint_id = ? AND retry = ? AND ready_at <= ?
    ORDER BY ready_at LIMIT ?`)
  const find = db.prepare(`
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
    'UPDATE mails SET lease = NULL, ready_at = due_at WHERE seq = ? AND lease = ?',
  )

  const replay = db.prepare(`
    UPDATE deliveries SET state = 'pending', round = round + 1, tries = 0, interruptions = 0, due_at = ?1,
      ready_at = ?1, ended_at = NULL, reason = NULL, mail = NULL
    WHERE seq = ?2 AND state NOT IN ('pending', 'mailing')`)
  const cancel = db.prepare(`
    UPDATE deliveries SET state = 'cancelled', trying = 0, due_at = NULL, ready_at = NULL, lease = NULL,
      ended_at = ? WHERE seq = ? AND state = 'pending'`)

  const mailed = (mail: NewMail, now: number) =>
    insertMail.run(JSON.stringify(mail.to), mail.messageId, now).lastInsertRowid

  return {
    accept(items: readonly AcceptanceRow[], turn: Turn): Accepted[] {
      return items.map(({ id, gateway, identity, event, endpoints, join }) => {
        const stored = insertEvent.run(id, gateway, identity, turn.now, event)
        const isNew = stored.changes === 1
        if (!isNew && !join) return 'repeat'
        const seq = isNew ? stored.lastInsertRowid : (eventSeq.get(gateway, identity) as { seq: number }).seq
        for (const endpoint of endpoints) {
          const owed = insertDelivery.run(seq, endpoint.id, endpoint.json, turn.now)
          if (owed.changes === 1) turn.isDue = true
        }
        return isNew ? 'stored' : 'repeat'
      })
    },

    claim({ limit, leaseMs, room }: Wish, turn: Turn): ClaimRow[] {
      if (!owner.confirm(turn.now)) return []
      const due: (Due & { isRetry: number })[] = []
      for (const { id } of dueEndpoints.all(turn.now) as { id: string }[]) {
        let space = Math.min(limit, Object.hasOwn(room.of, id) ? room.of[id]! : room.default)
        for (const isRetry of [0, 1]) {
          if (space <= 0) break
          const found = dueOf.all(id, isRetry, turn.now, space) as Due[]
          for (const one of found) due.push({ ...one, isRetry })
          space -= found.length
        }
      }
      due.sort((a, b) => a.isRetry - b.isRetry || a.readyAt - b.readyAt || a.seq - b.seq)

      const token = owner.token()
      const claims: ClaimRow[] = []
      let chars = 0
      for (const { seq } of due.slice(0, limit)) {
        if (chars > claimChars) {
          turn.isDue = true
          break
        }
        lend.run(token, turn.now + leaseMs, seq)
        const delivery = find.get(seq) as DeliveryRow
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

    /** Renewing what is due says that it is being tried: so ends a wait in memory. */
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
      const replayed = ids.filter((id) => replay.run(turn.now, id).changes === 1).length
      if (replayed > 0) turn.isDue = true
      return replayed
    },

    cancel(ids: readonly string[], turn: Turn): number {
      return ids.filter((id) => cancel.run(turn.now, id).changes === 1).length
    },
  }
}
