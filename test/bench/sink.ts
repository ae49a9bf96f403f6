// The receiver of deliveries, a process of its own: answers every post with the status it was told, and counts. A plain
// socket server, since it shares two cores with what it measures.
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { answer } from './child.ts'

let status = 200

/** What has come since `expect`, and who wants to know when all of it has. */
const known = new Set<string>()
let posts = 0
let expected = 0
let onAll = () => {}

const count = (request: string): void => {
  const at = request.lastIndexOf('message_id=') + 'message_id='.length
  posts += 1
  known.add(request.slice(at, at + 36))
  if (known.size === expected) onAll()
}

/** The length of the first whole request in `text`; 0 while there is none. */
const requestLength = (text: string): number => {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return 0
  const body = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1]
  if (body === undefined) throw new Error('a post without Content-Length')
  const length = end + 4 + Number(body)
  return length <= text.length ? length : 0
}

const server = createServer({ noDelay: true }, (socket) => {
  let received = ''
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    received += text
    for (let length = requestLength(received); length > 0; length = requestLength(received)) {
      if (expected > 0) count(received.slice(0, length))
      received = received.slice(length)
      socket.write(`HTTP/1.1 ${status} Answer\r\nContent-Length: 0\r\n\r\n`, 'latin1')
    }
  })
  socket.on('error', () => socket.destroy())
}).listen(0, '127.0.0.1')
await once(server, 'listening')

answer({
  port: () => (server.address() as AddressInfo).port,
  answerWith: (wished: number) => {
    status = wished
  },
  expect: (wished: number) => {
    known.clear()
    posts = 0
    expected = wished
  },
  /** Resolves when as many messages have come as are expected. */
  all: () =>
    new Promise<void>((resolve) => {
      onAll = resolve
      if (known.size >= expected) resolve()
    }),
  posts: () => posts,
})
