// What the stand-ins for services with a webhooks API have in common.
import type { ServerResponse } from 'node:http'
import type { Asked, HttpServer } from './http-server.ts'

export type Answer = { status: number; body?: unknown }

export type WebhookService<Row> = {
  readonly url: string
  /** The account's webhooks; a test may add its own. */
  readonly rows: Row[]
  /** The requests so far that would change something. */
  writes(): Asked[]
  close(): Promise<void>
}

export const writesOf = ({ asked }: HttpServer): Asked[] => asked.filter(({ method }) => method !== 'GET')

export const answerJson = (response: ServerResponse, { status, body }: Answer): void => {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(body === undefined ? undefined : JSON.stringify(body))
}
