// The receiver of deliveries, a process of its own: answers every post with the status it was told.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answer } from './child.ts'

let status = 200
let posts = 0

const server = createServer((request, response) => {
  posts += 1
  request.resume()
  response.writeHead(status, { 'Content-Length': '0' }).end()
}).listen(0, '127.0.0.1')
await once(server, 'listening')

answer({
  port: () => (server.address() as AddressInfo).port,
  answerWith: (wished: number) => {
    status = wished
    posts = 0
  },
  posts: () => posts,
})
