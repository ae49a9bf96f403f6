// The load generator, a process of its own: posts forms over HTTP/1.1 on connections that stay open, as fast
// as they are answered or at a fixed rate. A plain socket client, since a generator that shares two cores
// with what it measures must cost little; every post has a message id of its own.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createHistogram } from 'node:perf_hooks'
import { answer } from './child.ts'

export type Load = {
  /** The connections go to these in turn. */
  ports: readonly number[]
  path: string
  connections: number
  seconds: number
  /** Posts per second; null: the next as soon as the last is answered. */
  rate: number | null
}
export type Loaded = { answered: number; perSecond: number; p50Ms: number; p99Ms: number }

const senders = 500
let posts = 0

const nextBody = (): string => {
  posts += 1
  const sender = 412_000_000 + (posts % senders)
  return (
    `service_id=12345&from=%2B61${sender}&sms_number=%2B61298765432` +
    `&body=Are%20you%20open%20on%20Sunday%3F%20I%20would%20come%20by%20at%20ten.&message_id=${randomUUID()}` +
    `&timestamp=1576391654&webhook_url=https://app.example.com/sms/pbx&webhook_url_fallback=owner@example.com`
  )
}

/** One connection: a post at a time. `done` is called with the status of each. */
const openConnection = async (port: number, path: string, done: (status: number) => void) => {
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: `
  let received = ''
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
    const end = received.indexOf('\r\n\r\n')
    if (end < 0) return
    const length = /\r\ncontent-length: *(\d+)/i.exec(received)?.[1] ?? 0
    if (received.length < end + 4 + Number(length)) return
    const status = Number(received.slice(9, 12))
    received = ''
    done(status)
  })
  return {
    post: () => {
      const body = nextBody()
      socket.write(`${head}${body.length}\r\n\r\n${body}`, 'latin1')
    },
    close: () => socket.destroy(),
  }
}

const load = async (wish: Load): Promise<Loaded> => {
  const histogram = createHistogram()
  const startedAt = performance.now()
  const endsAt = startedAt + wish.seconds * 1000
  const idle: (() => void)[] = []
  /** When the posts that no connection was free for were due. */
  const late: number[] = []
  let answered = 0
  let open = 0
  let finish = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })

  const connections = await Promise.all(
    Array.from({ length: wish.connections }, async (_, n) => {
      let since = 0
      const port = wish.ports[n % wish.ports.length]!
      const connection = await openConnection(port, wish.path, (status) => {
        if (status !== 200) throw new Error(`answered ${status}`)
        const now = performance.now()
        histogram.record(Math.max(1, Math.round((now - since) * 1000)))
        answered += 1
        open -= 1
        if (now < endsAt && (wish.rate === null || late.length > 0)) begin(late.shift() ?? now)
        else idle.push(() => begin(late.shift() ?? performance.now()))
        if (now >= endsAt && open === 0) finish()
      })
      const begin = (dueAt: number) => {
        since = dueAt
        open += 1
        connection.post()
      }
      idle.push(() => begin(late.shift() ?? performance.now()))
      return connection
    }),
  )

  const beganAt = performance.now()
  if (wish.rate === null) for (const begin of idle.splice(0)) begin()
  else {
    let sent = 0
    const tick = () => {
      const now = performance.now()
      for (; sent < ((now - beganAt) * wish.rate!) / 1000; sent += 1) {
        late.push(beganAt + (sent * 1000) / wish.rate!)
        idle.shift()?.()
      }
      if (now < endsAt) setTimeout(tick, 1)
      else if (open === 0) finish()
    }
    tick()
  }
  await finished
  const seconds = (performance.now() - beganAt) / 1000
  for (const { close } of connections) close()
  return {
    answered,
    perSecond: answered / seconds,
    p50Ms: histogram.percentile(50) / 1000,
    p99Ms: histogram.percentile(99) / 1000,
  }
}

answer({ load })
