// Gets files by addresses that arrived as data: through the guard, bounded in time, bytes and number at once.
// Which files those are, and what becomes of them, is not known here.
import type { Clock } from '../clock.ts'
import type { OutcomeCode } from '../delivery.ts'
import { createExchange } from './exchange.ts'
import type { Guard } from './guard.ts'

/** `fault` is the status of an answer that was not 200, or why there was none that could be taken. */
export type Download =
  | { content: Buffer; contentType: string }
  | { fault: number | OutcomeCode | 'too-large' }

export type Downloads = {
  /**
   * One result for each URL, in order. All together may take 30 s and bring `mostBytes`; what does not fit is
   * left out, and the next may fit. Never rejects.
   */
  all(urls: readonly string[], mostBytes: number): Promise<Download[]>
  close(): Promise<void>
}

/** One deadline for all files of a mail. Our choice: 10 MB at 3 Mbit/s. */
const deadlineMs = 30_000
/** Each may hold as many bytes in memory as still fit. */
const mostAtOnce = 3

// A compressed answer was not asked for, and its bytes would not be the file's.
const headers = { 'user-agent': 'smshook', accept: '*/*', 'accept-encoding': 'identity' }

export const createDownloads = ({ clock, guard }: { clock: Clock; guard: Guard }): Downloads => {
  const exchange = createExchange(guard)

  return {
    all: async (urls, mostBytes) => {
      let leftBytes = mostBytes
      let isOver = false
      const ends = new Set<(words: string) => void>()

      const one = async (url: string): Promise<Download> => {
        if (!URL.canParse(url)) return { fault: 'network' }
        let fault: number | 'protocol' | 'too-large' | null = null
        let contentType = ''
        let bytes = 0
        const chunks: Buffer[] = []
        const failure = await exchange.run({
          url: new URL(url),
          guarded: true,
          method: 'GET',
          headers,
          body: null,
          deadline: (over) => {
            ends.add(over)
            return () => ends.delete(over)
          },
          onStart: (status, given) => {
            contentType = given['content-type'] ?? ''
            if (status !== 200) fault = status
            else if (!/^(identity)?$/i.test(given['content-encoding'] ?? '')) fault = 'protocol'
            else if (Number(given['content-length']) > leftBytes) fault = 'too-large'
            return fault === null
          },
          onChunk: (chunk) => {
            bytes += chunk.length
            if (bytes > leftBytes) fault = 'too-large'
            else chunks.push(chunk)
            return fault === null
          },
        })
        if (failure !== null) return { fault: failure.code }
        if (fault !== null) return { fault }
        // What fitted while it came may fit no longer.
        if (bytes > leftBytes) return { fault: 'too-large' }
        leftBytes -= bytes
        return { content: Buffer.concat(chunks), contentType }
      }

      const results: Download[] = urls.map(() => ({ fault: 'timeout' }))
      const waiting = urls.entries()
      const fetchInTurn = async () => {
        for (const [index, url] of waiting) {
          if (isOver) return
          results[index] = await one(url)
        }
      }
      const cancel = clock.after(deadlineMs, () => {
        isOver = true
        for (const end of ends) end('in time')
      })
      await Promise.all(Array.from({ length: mostAtOnce }, fetchInTurn))
      cancel()
      return results
    },
    close: exchange.close,
  }
}
