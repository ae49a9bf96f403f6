// Bench: postgres. One PostgreSQL with its default durability, and 1, 2 and 4 processes of ours on it, against one
// process on SQLite and against pg-boss used by hand.
import { randomBytes } from 'node:crypto'
import { query } from '../support/postgres.ts'
import { postgresServer } from '../support/postgres-server.ts'
import { benchPostgresAccepting } from './postgres-accepting.ts'
import { benchPostgresDelivering } from './postgres-delivering.ts'
import { benchPostgresWaiting } from './postgres-waiting.ts'
import { serverCpuOf } from './server-cpu.ts'

export const benchPostgres = async (wish: { folder: string; rounds: number; seconds: number }) => {
  const given = process.env.DATABASE_URL
  const server = given ? null : await postgresServer()
  const url = given ?? server!.url
  const schemas: string[] = []
  const schema = () => {
    const name = `bench_${randomBytes(6).toString('hex')}`
    schemas.push(name, `${name}_queue`)
    return name
  }
  const all = { ...wish, url, schema, serverCpu: await serverCpuOf(url, given === undefined) }
  try {
    await benchPostgresAccepting(all)
    await benchPostgresDelivering(all)
    await benchPostgresWaiting(all)
  } finally {
    if (given) await query(url, `DROP SCHEMA IF EXISTS ${schemas.join(', ')} CASCADE`)
    await server?.end()
  }
}
