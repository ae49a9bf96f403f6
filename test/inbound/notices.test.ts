import { createNotices } from '../../lib/inbound/notices.ts'
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
