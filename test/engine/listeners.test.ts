// Who is told that something may have become due, and what the log hears of one that throws.
import { createListeners } from '../../lib/engine/listeners.ts'
import { recorder } from '../support/recorder.ts'

test('one that throws disturbs nobody, and the log hears of it without what it said', () => {
  const logger = recorder()
  const { onDue, tell } = createListeners(() => logger)
  let told = 0
  onDue(() => {
    throw new Error('from +33612345678')
  })
  onDue(() => {
    told += 1
  })
  tell()
  expect(told).toBe(1)
  expect(logger.lines).toHaveLength(1)
  expect(JSON.stringify(logger.lines)).not.toContain('+33612345678')
})

test('one that stopped is told no more, and where nobody logs yet nothing is logged', () => {
  const { onDue, tell } = createListeners(() => undefined)
  let told = 0
  const stop = onDue(() => {
    told += 1
    throw new Error('of a listener')
  })
  tell()
  stop()
  tell()
  expect(told).toBe(1)
})
