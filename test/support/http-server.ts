// A real HTTP server on loopback, and what it was asked.
import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo, Server } from 'node:net'

export type Asked = {
  method: string
  /** Path and query. */
  path: string
  headers: IncomingHttpHeaders
  body: string
}

export type HttpServer = {
  /** `http://127.0.0.1:<port>`, without a slash at its end. */
  readonly url: string
  readonly asked: readonly Asked[]
  /** Connections opened so far. */
  readonly connections: number
  /** Closes the connections that wait for another request. */
  closeIdle(): void
  close(): Promise<void>
}

/** Listens at a free port of loopback and returns it. */
export const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** `answer` is called once the whole request has come; without it every answer is an empty 200. */
export const startHttp = async (
  answer: (asked: Asked, response: ServerResponse) => void = (_asked, response) => response.end(),
): Promise<HttpServer> => {
  const asked: Asked[] = []
  let connections = 0
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const one = {
        method: request.method!,
        path: request.url!,
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      }
      asked.push(one)
      answer(one, response)
    })
  }
  const server = createServer(listener)
  server.on('connection', () => {
    connections += 1
  })
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    get connections() {
      return connections
    },
    closeIdle: () => server.closeIdleConnections(),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}
