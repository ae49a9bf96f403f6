// Retention: what is asked of the engine, when, and what happens when it fails.
import type { Pruned, Pruning } from '../lib/engine.ts'
import { EngineError } from '../lib/errors.ts'
import { createRetention, type RetentionOptions } from '../lib/retention.ts'
import { deferred } from './support/deferred.ts'
import { manualClock } from './support/manual-clock.ts'
import { recorder } from './support/recorder.ts'

const minute = 60_000
const day = 86_400_000

/** With an engine that has so many slices to prune in each pass. */
const set = (retention: RetentionOptions | undefined, slices = 1) => {
  const clock = manualClock()
  const logger = recorder()
  const asked: Pruning[] = []
  const engine = {
    answer: async (): Promise<void> => {},
    prune: async (wish: Pruning): Promise<Pruned> => {
      asked.push(wish)
      await engine.answer()
      const n = Number(wish.cursor ?? 0) + 1
      return { pruned: 1, cursor: n < slices ? String(n) : null }
    },
  }
  return { clock, logger, asked, engine, kept: createRetention({ engine, retention, clock, logger }) }
}

test('prunes at once and then each minute what is older than it is kept', async () => {
  const { clock, asked, kept } = set({ textMs: day, mediaMs: 2 * day, eventsMs: 3 * day })
  const started = clock.now()
  kept.start()
  await clock.advance(0)
  expect(asked).toEqual([
    {
      textBefore: started - day,
      mediaBefore: started - 2 * day,
      eventsBefore: started - 3 * day,
      limit: expect.any(Number),
      cursor: undefined,
    },
  ])
  await clock.advance(minute)
  expect(asked).toHaveLength(2)
  expect(asked[1]!.textBefore).toBe(started + minute - day)
})

test('asks nothing where everything is kept', async () => {
  for (const retention of [undefined, {}, { textMs: undefined }]) {
    const { clock, asked, kept } = set(retention)
    kept.start()
    await kept.run()
    await clock.advance(minute)
    expect(asked).toEqual([])
    expect(clock.waiting).toBe(0)
  }
})

test('goes on slice by slice, with a pause after each, against the same instants', async () => {
  const { clock, asked, kept } = set({ eventsMs: day }, 3)
  kept.start()
  await clock.advance(0)
  expect(asked).toHaveLength(1)
  await clock.advance(1000)
  expect(asked.map(({ cursor }) => cursor)).toEqual([undefined, '1', '2'])
  expect(new Set(asked.map(({ eventsBefore }) => eventsBefore)).size).toBe(1)
})

test('one pass that takes long is not joined by another', async () => {
  const { clock, asked, engine, kept } = set({ eventsMs: day })
  const { promise, resolve } = deferred()
  engine.answer = () => promise
  kept.start()
  await clock.advance(3 * minute)
  expect(asked).toHaveLength(1)
  resolve()
  await clock.advance(minute)
  expect(asked).toHaveLength(2)
})

test('what fails is told once until it works again, and tried each minute', async () => {
  const { clock, asked, logger, engine, kept } = set({ eventsMs: day })
  engine.answer = () => Promise.reject(new EngineError('engine-full', 'the disk is full'))
  kept.start()
  await clock.advance(2 * minute)
  expect(asked).toHaveLength(3)
  expect(logger.lines).toMatchObject([{ level: 'error', details: { code: 'engine-full' } }])
  const { answer } = set(undefined).engine
  engine.answer = answer
  await clock.advance(minute)
  engine.answer = () => Promise.reject(new EngineError('engine-full', 'the disk is full'))
  await clock.advance(minute)
  expect(logger.lines).toHaveLength(2)
})

test('stop waits for the slice under way and lets none follow', async () => {
  const { clock, asked, engine, kept } = set({ eventsMs: day }, 3)
  const { promise, resolve } = deferred()
  engine.answer = () => promise
  kept.start()
  await clock.advance(0)
  let isStopped = false
  const stopping = kept.stop().then(() => {
    isStopped = true
  })
  await clock.advance(0)
  expect(isStopped).toBe(false)
  resolve()
  await stopping
  await clock.advance(5 * minute)
  expect(asked).toHaveLength(1)
  expect(clock.waiting).toBe(0)
})

test('run ends when its time is over', async () => {
  const { clock, asked, kept } = set({ eventsMs: day }, 1000)
  const running = kept.run(clock.now() + 100)
  await clock.advance(1000)
  await running
  expect(asked.length).toBeGreaterThan(1)
  expect(asked.length).toBeLessThan(10)
  await kept.run(clock.now())
  expect(asked.length).toBeLessThan(10)
})
