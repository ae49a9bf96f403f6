// The SQL of requests that could not be parsed: kept for whoever looks into it, within bounds.
import type { CopiedRequest } from '../../engine/copied.ts'
import { hashOf, mostBytes, mostRows } from '../../engine/quarantined.ts'
import type { QuarantinedRequest } from '../../engine.ts'
import { createBatch } from './batch.ts'
import type { Tx } from './pool.ts'
import { columnText, type Store } from './store.ts'

type Kept = { request: QuarantinedRequest; reason: string }

/** One process after the other, or each would see the others' requests only after it has counted. */
const beginOf = ({ schema }: Store): string =>
  `SELECT pg_advisory_xact_lock(hashtext('smshook:${schema}:quarantine'))`

/** How many are new. */
export const insertRequests = async (
  tx: Tx,
  { schema }: Store,
  requests: readonly CopiedRequest[],
): Promise<number> => {
  const texts = (of: (request: CopiedRequest) => string) => requests.map((one) => columnText(of(one)))
  const { rows } = await tx.query(
    `INSERT INTO ${schema}.quarantine (hash, gateway, method, content_type, received_at, reason, body)
     SELECT t.hash, t.gateway, t.method, t.content_type, t.received_at, t.reason, t.body
     FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])
       WITH ORDINALITY AS t (hash, gateway, method, content_type, received_at, reason, body, n)
     ORDER BY t.n ON CONFLICT (hash) DO NOTHING RETURNING 1`,
    [
      requests.map(({ hash }) => Buffer.from(hash)),
      texts(({ gateway }) => gateway),
      texts(({ method }) => method),
      texts(({ contentType }) => contentType),
      texts(({ receivedAt }) => receivedAt),
      texts(({ reason }) => reason),
      requests.map(({ body }) => Buffer.from(body)),
    ],
  )
  return rows.length
}

const bound = (tx: Tx, { schema }: Store) =>
  tx.query(
    `DELETE FROM ${schema}.quarantine WHERE seq <= (
       SELECT max(seq) FROM (
         SELECT seq, row_number() OVER newest AS row, sum(octet_length(body)) OVER newest AS bytes
         FROM ${schema}.quarantine WINDOW newest AS (ORDER BY seq DESC)
       ) AS all_rows WHERE row > ${mostRows} OR bytes > ${mostBytes})`,
  )

export const quarantineCalls = (store: Store) => {
  // A flood of them must not take all connections.
  const batch = createBatch<Kept, void>(
    (kept) =>
      store.pool.transact(async (tx) => {
        const requests = kept.map(({ request, reason }) => ({ ...request, reason, hash: hashOf(request) }))
        if ((await insertRequests(tx, store, requests)) > 0) await bound(tx, store)
        return kept.map(() => undefined)
      }, beginOf(store)),
    { location: store.pool.location, deadline: store.clock },
  )

  return {
    quarantine: (request: QuarantinedRequest, reason: string): Promise<void> =>
      batch.add({ request, reason }, request.body.length + 1),
  }
}
