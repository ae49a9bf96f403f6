// How SQLite goes about every statement of the store: none that runs while messages come and go reads a whole table,
// or a backlog of a million would be felt with each.
import { DatabaseSync } from 'node:sqlite'
import { migrate } from '../../../lib/engines/sqlite/schema.ts'
import { storeOn } from '../../../lib/engines/sqlite/store.ts'

/** Every statement of the store, with the steps of its plan. */
const plans = (): { sql: string; steps: string[] }[] => {
  const db = new DatabaseSync(':memory:')
  migrate(db, ':memory:')
  const prepare = db.prepare.bind(db)
  const statements: string[] = []
  db.prepare = (sql) => {
    statements.push(sql)
    return prepare(sql)
  }
  storeOn(db, null)
  return statements
    .filter((sql) => /^\s*(SELECT|WITH|INSERT|UPDATE|DELETE)/.test(sql))
    .map((sql) => {
      const steps = prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[]
      return { sql: sql.replace(/\s+/g, ' ').trim(), steps: steps.map(({ detail }) => detail) }
    })
}

const large = /^SCAN (events|deliveries|attempts|mails|repeats|[dem])\b/

test('whole tables are read by counts and by who takes over, and by nobody else', () => {
  const whole = plans().filter(({ steps }) => steps.some((step) => large.test(step)))
  expect(whole.map(({ sql }) => sql)).toEqual([
    expect.stringMatching(/^UPDATE mails SET .*, lease = NULL, .* AND lease IS NOT NULL$/),
    expect.stringMatching(/^UPDATE mails SET due_at = due_at - \?1/),
    'SELECT count(*) AS n FROM events',
    'SELECT state, count(*) AS n FROM deliveries GROUP BY state',
    'SELECT state, count(*) AS n FROM mails GROUP BY state',
  ])
})

test('what is due is found by an index, in the order that it is wanted in', () => {
  const due = plans().filter(({ sql }) => /ready_at <= \?/.test(sql))
  expect(due.length).toBeGreaterThanOrEqual(4)
  for (const { sql, steps } of due) {
    const searches = steps.filter((step) => /^(SEARCH|SCAN) (deliveries|mails)/.test(step))
    expect(searches.length).toBeGreaterThan(0)
    for (const step of searches) expect(step).toMatch(/^SEARCH \w+ USING (COVERING )?INDEX \w+/)
    // Suspects are few, and have an index of their own.
    if (!sql.includes('interruptions >=')) expect(steps.join()).not.toContain('TEMP B-TREE')
  }
})
