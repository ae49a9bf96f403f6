// One of those who deliver, in a process of its own, to be asked how fast it is and what it holds.
//   node delivering-app.ts <peer> <folder> <port of the sink> [<port of Redis>]
import { answer } from './child.ts'
import { type End, type PeerName, peers } from './peers.ts'

const [name, folder, port, redisPort] = process.argv.slice(2) as [PeerName, string, string, string?]
const tried = await peers[name]({ folder, url: `http://127.0.0.1:${port}/sms`, redisPort: Number(redisPort) })

answer({
  take: (count: number) => tried.take(count),
  work: async ({ count, end }: { count: number; end: End }) => {
    const startedAt = performance.now()
    await tried.work(count, end)
    return performance.now() - startedAt
  },
  /** Bytes that the process holds once all garbage is collected. */
  memory: () => {
    gc!()
    gc!()
    return process.memoryUsage.rss()
  },
})
