// The SQL of requests that could not be parsed: kept for whoever looks into it, within bounds.
import type { DatabaseSync } from 'node:sqlite'
import { hashOf, mostBytes, mostRows } from '../../engine/quarantined.ts'
import type { QuarantinedRequest } from '../../engine.ts'

export const quarantineCalls = (db: DatabaseSync) => {
  const insert = db.prepare(`
    INSERT INTO quarantine (hash, gateway, method, content_type, received_at, reason, body)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING`)
  const bound = db.prepare(`
    DELETE FROM quarantine WHERE seq <= (
      SELECT max(seq) FROM (
        SELECT seq, row_number() OVER newest AS row, sum(length(body)) OVER newest AS bytes FROM quarantine
        WINDOW newest AS (ORDER BY seq DESC)
      ) WHERE row > ${mostRows} OR bytes > ${mostBytes})`)

  return {
    quarantine({ request, reason }: { request: QuarantinedRequest; reason: string }): void {
      const { gateway, method, contentType, receivedAt, body } = request
      const kept = insert.run(hashOf(request), gateway, method, contentType, receivedAt, reason, body)
      if (kept.changes === 1) bound.run()
    },
  }
}
