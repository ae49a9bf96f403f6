// The SQL of requests that could not be parsed: kept for whoever looks into it, within bounds.
import { createHash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { QuarantinedRequest } from '../../engine.ts'

const mostRows = 1000
const mostBytes = 16 * 2 ** 20

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
      // JSON delimits the name, so that no other gateway and body hash to the same bytes.
      const hash = createHash('sha256').update(JSON.stringify(gateway)).update(body).digest()
      const kept = insert.run(hash, gateway, method, contentType, receivedAt, reason, body)
      if (kept.changes === 1) bound.run()
    },
  }
}
