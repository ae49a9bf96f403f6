// Which columns of the file make the rows of engine/rows.ts.

export const deliveryColumns = `d.seq AS id, d.endpoint, d.state, d.tries, d.interruptions, d.round,
  d.created_at AS createdAt, d.due_at AS dueAt, d.ended_at AS endedAt, d.reason, d.mail`
export const attemptColumns = 'n, started_at AS startedAt, took_ms AS tookMs, outcome'
export const mailColumns = `seq AS id, recipients, message_id AS messageId, state, tries, interruptions,
  created_at AS createdAt, due_at AS dueAt, ended_at AS endedAt, outcome`
