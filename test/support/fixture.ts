// A fixture of a gateway: one request, when it came, and what must become of it.
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { type Server, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { SmsEvent } from '../../lib/event.ts'
import type { Gateway } from '../../lib/gateway.ts'
import { manualClock } from './manual-clock.ts'
import { type Receiving, receiving } from './receiving.ts'

export type Fixture = {
  about: string
  /** Of the gateway. Default: `{ allowUnauthenticated: true }`. */
  options?: Record<string, unknown>
  /** ISO 8601. Default: the first instant of 2026 in UTC. */
  receivedAt?: string
  request: {
    /** Default: POST. */
    method?: string
    /** Below the mount path, with its query. Default: none. */
    path?: string
    headers?: Record<string, string>
    text?: string
    base64?: string
  }
  /** Default: 200. */
  status?: number
  /** One event, or all of them in order. Default: none. */
  expected?: Partial<SmsEvent> | Partial<SmsEvent>[]
  /** What the `rejected` signal says. */
  rejected?: { code: string; reason?: string }
}

/** Those of a gateway, by name. */
export const fixturesOf = (kind: string): [string, Fixture][] => {
  const name = kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  const folder = join(import.meta.dirname, '../fixtures', name)
  return readdirSync(folder).map((file) => [
    file.replace('.json', ''),
    JSON.parse(readFileSync(join(folder, file), 'utf8')),
  ])
}

/** A router with the fixture's gateway alone. */
export const receivingFor = (
  create: (options: never) => Gateway,
  { options = { allowUnauthenticated: true }, receivedAt }: Fixture,
): Receiving =>
  receiving({
    gateway: create(options as never),
    clock: manualClock(receivedAt === undefined ? undefined : Date.parse(receivedAt)),
  })

/** Sends the request as it is written, byte for byte. */
export const post = async (
  server: Server,
  { method = 'POST', path = '', headers = {}, text, base64 }: Fixture['request'],
): Promise<{ status: number; body: string }> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const body = base64 === undefined ? Buffer.from(text ?? '') : Buffer.from(base64, 'base64')
  const length = method === 'GET' ? {} : { 'content-length': body.length }
  const url = path.startsWith('?') ? `/${path}` : path || '/'
  const outgoing = send({
    host: '127.0.0.1',
    port,
    method,
    path: url,
    agent: false,
    headers: { ...headers, ...length },
  })
  outgoing.end(method === 'GET' ? undefined : body)
  const [response] = await once(outgoing, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode, body: Buffer.concat(chunks).toString() }
}
