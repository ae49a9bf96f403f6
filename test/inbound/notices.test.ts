// What is logged of refused requests: enough to act upon, and no more however many there are.
import request from 'supertest'
import { createNotices, type Notice } from '../../lib/inbound/notices.ts'
import { manualClock } from '../support/manual-clock.ts'
import { documentedBody, hostApp, receiving, versions } from '../support/receiving.ts'
import { recorder } from '../support/recorder.ts'

describe('notices', () => {
  const notice: Notice = {
    level: 'warn',
    gateway: 'pbx',
    code: 'token-mismatch',
    message: 'refused a request',
    source: '203.0.113.1',
  }
  const told = { gateway: 'pbx', code: 'token-mismatch' }

  const start = () => {
    const clock = manualClock()
    const logger = recorder()
    const tell = createNotices(logger, clock)
    return {
      clock,
      logger,
      tell: (times: number, fields: Partial<Notice> = {}) => {
        for (let count = 0; count < times; count += 1) tell({ ...notice, ...fields })
      },
      details: () => logger.lines.map(({ details }) => details),
    }
  }

  test('the first is told at once, the others are counted when the minute is over', async () => {
    const { clock, logger, tell, details } = start()
    tell(5)
    expect(details()).toEqual([{ ...told, source: '203.0.113.1' }])
    await clock.advance(60_000)
    expect(details()).toEqual([
      { ...told, source: '203.0.113.1' },
      { ...told, untold: 4, sources: 1 },
    ])
    expect(logger.lines[1]).toMatchObject({
      level: 'warn',
      message: 'refused a request, and more of the same within a minute',
    })
    tell(1)
    await clock.advance(60_000)
    expect(details().slice(2)).toEqual([{ ...told, source: '203.0.113.1' }])
  })

  test('another code and another gateway are told at once', () => {
    const { logger, tell } = start()
    for (const each of [{}, { code: 'token-missing' }, { gateway: 'second' }]) tell(1, each)
    expect(logger.lines).toHaveLength(3)
  })

  test('a noisy source hides no other', async () => {
    const { clock, tell, details } = start()
    tell(10_000)
    tell(1, { source: '198.51.100.7' })
    tell(10_000)
    expect(details()).toEqual([
      { ...told, source: '203.0.113.1' },
      { ...told, source: '198.51.100.7' },
    ])
    await clock.advance(60_000)
    expect(details()[2]).toEqual({ ...told, untold: 19_999, sources: 2 })
  })

  test('of very many sources eight have a line, and no more than a thousand are remembered', async () => {
    const { clock, tell, details } = start()
    for (let n = 0; n < 5_000; n += 1) tell(2, { source: `source ${n}` })
    expect(details().map((each) => each.source)).toEqual(Array.from({ length: 8 }, (_, n) => `source ${n}`))
    await clock.advance(60_000)
    expect(details()).toHaveLength(9)
    expect(details()[8]).toEqual({ ...told, untold: 9_992, sources: 1_000 })
    expect(clock.waiting).toBe(0)
  })

  test('where the source does not matter it is not told', async () => {
    const { clock, tell, details } = start()
    tell(3, { source: null, details: { error: 'TypeError' } })
    await clock.advance(60_000)
    expect(details()).toEqual([
      { ...told, error: 'TypeError' },
      { ...told, untold: 2 },
    ])
  })
})

test.each(versions)(
  'the source is the other end of the connection, whatever headers say, on %s',
  async (_name, express) => {
    const received = receiving({ clock: manualClock() })
    const app = hostApp(express, ['/sms', received.router])
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
      await request(app)
        .post('/sms/pbx/wrong')
        .set({ 'x-forwarded-for': address, forwarded: `for=${address}`, 'x-real-ip': address })
        .send(documentedBody)
        .expect(401)
    expect(received.rejections).toHaveLength(3)
    expect(received.logger.lines.map(({ details }) => details)).toMatchObject([
      { code: 'token-mismatch', source: expect.stringMatching(/^(::ffff:)?127\.0\.0\.1$/) },
    ])
  },
)
