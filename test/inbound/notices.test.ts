import { EngineError } from '../../lib/errors.ts'
import { createNotices, traceOf } from '../../lib/inbound/notices.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recorder } from '../support/recorder.ts'

describe('notices', () => {
  const notice = {
    level: 'warn',
    gateway: 'pbx',
    code: 'token-mismatch',
    message: 'refused a request',
  } as const

  test('the same is told once a minute, with how often it happened in between', async () => {
    const clock = manualClock()
    const logger = recorder()
    const tell = createNotices(logger, clock)
    for (let count = 0; count < 5; count += 1) tell(notice)
    await clock.advance(60_000)
    tell(notice)
    await clock.advance(60_000)
    tell(notice)
    expect(logger.lines.map(({ details }) => details)).toEqual([
      { gateway: 'pbx', code: 'token-mismatch' },
      { gateway: 'pbx', code: 'token-mismatch', untold: 4 },
      { gateway: 'pbx', code: 'token-mismatch' },
    ])
  })

  test('another code and another gateway are told at once', () => {
    const logger = recorder()
    const tell = createNotices(logger, manualClock())
    for (const each of [notice, { ...notice, code: 'token-missing' }, { ...notice, gateway: 'second' }])
      tell(each)
    expect(logger.lines).toHaveLength(3)
  })
})

describe('traceOf', () => {
  test('the message of one of our errors is told', () => {
    expect(traceOf(new EngineError('engine-full', 'the disk is full'))).toEqual({
      reason: 'the disk is full',
    })
  })

  test('of any other the name and the places, however its message is made', () => {
    const trace = traceOf(new RangeError('text of an SMS\n    at secret place'))
    expect(trace).toMatchObject({
      error: 'RangeError',
      at: [expect.stringContaining('notices.test.ts'), expect.anything(), expect.anything()],
    })
    expect(JSON.stringify(trace)).not.toMatch(/SMS|secret/)
  })

  test.each([undefined, null, 'text of an SMS', 5, {}])('%j is not an error and tells nothing', (thrown) => {
    expect(traceOf(thrown)).toEqual({ error: thrown === null ? 'object' : typeof thrown, at: [] })
  })
})
