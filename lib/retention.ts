// How long things are kept: what is older is pruned in the background, in short slices with pauses between, so
// that nothing else waits for it. What may be pruned at all is known to the engine.
import { z } from 'zod'
import type { Clock } from './clock.ts'
import type { Engine } from './engine.ts'
import type { Logger } from './logger.ts'
import { traceOf } from './trace.ts'

/** Whoever thinks in seconds or days would lose everything within a minute. */
const leastMs = 60_000
const mostMs = 100 * 366 * 86_400_000

const kept = z
  .number()
  .min(leastMs)
  .max(mostMs)
  .describe('milliseconds, 60,000 or more; a day has 86,400,000')
  .optional()

/** Counted from when an event was stored. What is not written is kept for ever. */
export const retentionSchema = z
  .strictObject({ textMs: kept, mediaMs: kept, eventsMs: kept })
  .describe('an object such as { textMs: 30 * 86_400_000 }')

export type RetentionOptions = {
  /** Texts, what came as it came, names of files, and what servers answered. Numbers and times stay. */
  textMs?: number | undefined
  /** The content of files, and their URLs. */
  mediaMs?: number | undefined
  /** Whole events, with all their deliveries. */
  eventsMs?: number | undefined
}

export type Retention = {
  /** Prunes now and each minute. */
  start(): void
  /** Prunes until nothing is left to prune, at most until `endsAt`. Never rejects. */
  run(endsAt?: number): Promise<void>
  /** Resolves when the slice under way has ended; there is none after it. */
  stop(): Promise<void>
}

const everyMs = 60_000
// Measured with a million events in the file and 100 accepted a second: a slice takes 8 ms, the longest wait of
// what was accepted meanwhile was 23 (13 without) on a quiet disk, and 1,700 events a second go.
const sliceRows = 50
const pauseMs = 20

type Parts = {
  engine: Pick<Engine, 'prune'>
  retention: RetentionOptions | undefined
  clock: Clock
  logger: Logger
}

export const createRetention = ({ engine, retention = {}, clock, logger }: Parts): Retention => {
  const stopping = new AbortController()
  let running: Promise<void> | null = null
  let isFailing = false
  let cancel = () => {}

  const { textMs, mediaMs, eventsMs } = retention
  const isWanted = [textMs, mediaMs, eventsMs].some((ms) => ms !== undefined)
  const before = (ms: number | undefined) => (ms === undefined ? undefined : clock.now() - ms)

  const prune = async (endsAt: number) => {
    const wish = {
      textBefore: before(textMs),
      mediaBefore: before(mediaMs),
      eventsBefore: before(eventsMs),
      limit: sliceRows,
    }
    let cursor: string | undefined
    while (!stopping.signal.aborted && clock.now() < endsAt) {
      const slice = await engine.prune({ ...wish, cursor })
      isFailing = false
      if (slice.cursor === null) return
      cursor = slice.cursor
      await clock.sleep(pauseMs, stopping.signal)
    }
  }

  const onError = (error: unknown) => {
    if (!isFailing) logger.error(traceOf(error), 'what is old could not be pruned; it is tried each minute')
    isFailing = true
  }

  const run = async (endsAt = Number.POSITIVE_INFINITY) => {
    if (!isWanted || running) return
    running = prune(endsAt)
      .catch(onError)
      .finally(() => {
        running = null
      })
    await running
  }

  const start = () => {
    if (!isWanted || stopping.signal.aborted) return
    cancel = clock.after(everyMs, start)
    void run()
  }

  return {
    start,
    run,
    async stop() {
      stopping.abort()
      cancel()
      await running
    },
  }
}
