import { EngineError } from '../lib/errors.ts'
import { traceOf } from '../lib/trace.ts'

describe('traceOf', () => {
  test('the message of one of our errors is told', () => {
    expect(traceOf(new EngineError('engine-full', 'the disk is full'))).toEqual({
      code: 'engine-full',
      reason: 'the disk is full',
    })
  })

  test('of any other the name and the places, however its message is made', () => {
    const trace = traceOf(new RangeError('text of an SMS\n    at secret place'))
    expect(trace).toMatchObject({
      error: 'RangeError',
      at: [expect.stringContaining('trace.test.ts'), expect.anything(), expect.anything()],
    })
    expect(JSON.stringify(trace)).not.toMatch(/SMS|secret/)
  })

  test.each([undefined, null, 'text of an SMS', 5, {}])('%j is not an error and tells nothing', (thrown) => {
    expect(traceOf(thrown)).toEqual({ error: thrown === null ? 'object' : typeof thrown, at: [] })
  })
})
