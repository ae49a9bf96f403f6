// The PostgreSQL that tests run on: one for a test file, or one for a test that means to break it.
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { type PostgresServer, postgresServer } from './postgres-server.ts'

export type FreshSchema = {
  name: string
  /** Drops it and its queue. */
  drop(): Promise<void>
}
export type SharedServer = {
  /** With its password. */
  url: string
  /** A name nobody else uses; nothing is created. */
  freshSchema(): FreshSchema
}

/** One query on a connection of its own. */
export const query = async <Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> => {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query<Row>(text, values)).rows
  } finally {
    await client.end()
  }
}

const schemasOn = (url: string) => (): FreshSchema => {
  const name = `t_${randomBytes(6).toString('hex')}`
  return {
    name,
    drop: async () => {
      await query(url, `DROP SCHEMA IF EXISTS ${name}, ${name}_queue CASCADE`)
    },
  }
}

/**
 * The server at DATABASE_URL, or one of our own that ends with the test file; it is quick and would not survive a
 * power cut. Belongs at the top of a test file: `const server = await sharedServer()`.
 */
export const sharedServer = async (): Promise<SharedServer> => {
  const given = process.env.DATABASE_URL
  if (given) return { url: given, freshSchema: schemasOn(given) }
  const { url, end } = await postgresServer({
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    shared_buffers: '32MB',
  })
  afterAll(end)
  return { url, freshSchema: schemasOn(url) }
}

/** A server that may be stopped, killed and paused, and writes to disk as in earnest. The caller ends it. */
export const ownServer = (): Promise<PostgresServer> => postgresServer({ shared_buffers: '32MB' })
