// A mail may go to more addresses than a row of an index can hold.
import { randomUUID } from 'node:crypto'
import { sharedServer } from '../../support/postgres.ts'
import { onFreshSchema } from '../../support/postgres-engines.ts'
import { claimOne, leaseMs, owe } from '../conformance/steps.ts'

const server = await sharedServer()

test('a mail to a thousand addresses is owed, and gathered with another', async () => {
  const engine = await onFreshSchema(server).engine()
  const to = Array.from({ length: 1000 }, () => `${randomUUID()}@example.com`)
  for (const n of [1, 2]) {
    await owe(engine)
    const { lease } = await claimOne(engine)
    const mail = { to, messageId: `<${n}@example.com>` }
    expect(await engine.settle(lease, null, { to: 'mailing', reason: 'spent', mail })).toBe('settled')
  }
  const digests = { mailsPerHour: 0, waitMs: 0, mostMessages: 10, mostBytes: 1_000_000 }
  const [digest, ...others] = await engine.claimMails({ limit: 5, leaseMs, digests })
  expect(others).toEqual([])
  expect(digest!.mail.to).toEqual(to)
  expect(digest!.stories).toHaveLength(2)
})
