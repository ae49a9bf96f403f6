// A request written by hand, byte by byte, for what no HTTP client would send.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { connect } from 'node:net'
import { listen } from './http-server.ts'
import { afterwards } from './shop.ts'
import { until } from './until.ts'

export type RawRequest = {
  write(data: string | Buffer): void
  /** Everything that has come back so far. */
  readonly answer: string
  /** Resolves once the answer holds this. */
  heard(text: string): Promise<void>
  /** Goes away without a word. */
  leave(): void
  /** Resolves once the server has closed the connection. */
  closed: Promise<unknown>
}

export const serve = async (app: RequestListener): Promise<number> => {
  const server = createServer(app)
  afterwards(() => {
    server.close()
    server.closeAllConnections()
  })
  return listen(server)
}

export const rawRequest = async (port: number): Promise<RawRequest> => {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.setEncoding('latin1').on('data', (data: string) => {
    answer += data
  })
  socket.on('error', () => {})
  // Not `once` of events, which would reject at the 'error' of a server that closes on us.
  const closed = new Promise((resolve) => socket.once('close', resolve))
  afterwards(() => socket.destroy())
  await once(socket, 'connect')
  return {
    write: (data) => socket.write(data),
    get answer() {
      return answer
    },
    heard: (text) => until(() => answer.includes(text)),
    leave: () => socket.resetAndDestroy(),
    closed,
  }
}
