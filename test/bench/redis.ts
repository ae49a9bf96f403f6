// A Redis server of our own for one of the peers: Debian's, started here, its file flushed each second.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'

export type RedisServer = { port: number; close(): Promise<void> }

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const isUp = async (port: number): Promise<boolean> => {
  const client = new Redis({ host: '127.0.0.1', port, lazyConnect: true, retryStrategy: null })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.ping()) === 'PONG'
  } catch {
    return false
  } finally {
    client.disconnect()
  }
}

/** Null, and a printed reason, where there is none. */
export const startRedis = async (folder: string): Promise<RedisServer | null> => {
  if (spawnSync('redis-server', ['--version']).error) {
    console.log('\nskipped: BullMQ, since there is no redis-server (apt install redis-server)')
    return null
  }
  const port = await freePort()
  const settings = {
    port,
    bind: '127.0.0.1',
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const child = spawn('redis-server', flags, { stdio: 'ignore' })
  while (!(await isUp(port))) await sleep(50)
  return {
    port,
    close: async () => {
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}
