// How often the log hears that the database cannot be used: never more often for a clock that jumps, and never less.
import { createTrouble } from '../../lib/engine/trouble.ts'
import { EngineError } from '../../lib/errors.ts'
import { recorder } from '../support/recorder.ts'

test('is once a minute, of time that never jumps', () => {
  let elapsed = 0
  const logger = recorder()
  const trouble = createTrouble('here', logger, () => elapsed)
  const error = new EngineError('engine-full', 'The disk is full.')
  const linesAfter = (ms: number) => {
    elapsed += ms
    trouble.begin(error)
    return logger.lines.length
  }
  expect([linesAfter(0), linesAfter(59_999), linesAfter(1)]).toEqual([1, 1, 2])
})
