// Servers that speak byte by byte, for what no HTTP server would answer. Closed after each test.
import { createServer, type Server, type Socket } from 'node:net'
import { listen } from './http-server.ts'
import { afterwards } from './shop.ts'

/** Listens on loopback; its connections are cut at the end of the test. */
export const serveRaw = async (server: Server): Promise<number> => {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  afterwards(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return listen(server)
}

/** A server that says `words` to each request, whatever they are, and then does something to the connection. */
export const saying = (words: string | Buffer, then: (socket: Socket) => void = () => {}): Promise<number> =>
  serveRaw(
    createServer((socket) => {
      socket.once('data', () => socket.write(words, () => then(socket)))
    }),
  )
