// What the clocks of a zone mean, also on the days that they change.
import { clocksOf, isZone } from '../lib/zone.ts'

describe('time zones', () => {
  test.each([
    ['Africa/Johannesburg', '2026-07-01 09:05:00', '2026-07-01T07:05:00.000Z'],
    ['UTC', '2026-07-01 09:05:00', '2026-07-01T09:05:00.000Z'],
    ['Asia/Kolkata', '2026-07-01 00:05', '2026-06-30T18:35:00.000Z'],
    // The clocks go forward at one in the morning, UTC.
    ['Europe/London', '2026-03-29 00:59:59', '2026-03-29T00:59:59.000Z'],
    ['Europe/London', '2026-03-29 02:00:00', '2026-03-29T01:00:00.000Z'],
    ['Europe/London', '2026-10-25 00:59:59', '2026-10-24T23:59:59.000Z'],
    ['Europe/London', '2026-10-25 02:00:00', '2026-10-25T02:00:00.000Z'],
    // At two by its own clocks, so that an instant guessed in UTC lies before the change.
    ['America/New_York', '2026-03-08 01:59:59', '2026-03-08T06:59:59.000Z'],
    ['America/New_York', '2026-03-08 03:00:00', '2026-03-08T07:00:00.000Z'],
    ['America/New_York', '2026-03-08 06:30:00', '2026-03-08T10:30:00.000Z'],
    ['America/New_York', '2026-11-01 00:59:59', '2026-11-01T04:59:59.000Z'],
    ['America/New_York', '2026-11-01 02:00:00', '2026-11-01T07:00:00.000Z'],
    ['Australia/Sydney', '2026-10-04 03:00:00', '2026-10-03T16:00:00.000Z'],
    ['Australia/Sydney', '2026-10-04 12:30:00', '2026-10-04T01:30:00.000Z'],
    ['Australia/Sydney', '2026-04-05 03:00:00', '2026-04-04T17:00:00.000Z'],
    ['Europe/London', 'soon', null],
    ['Europe/London', '1926-01-01 00:00:00', null],
  ])('in %s, %s is %s', (zone, shown, instant) => {
    expect(clocksOf(zone)(shown)).toBe(instant)
  })

  test.each([
    [
      'an hour that comes twice',
      '2026-10-25 01:30:00',
      ['2026-10-25T00:30:00.000Z', '2026-10-25T01:30:00.000Z'],
    ],
    [
      'an hour that does not come',
      '2026-03-29 01:30:00',
      ['2026-03-29T00:30:00.000Z', '2026-03-29T01:30:00.000Z'],
    ],
  ])('%s is within the hour', (_what, shown, near) => {
    expect(near).toContain(clocksOf('Europe/London')(shown))
  })

  test('their names', () => {
    expect(['Europe/London', 'UTC', 'Mars/Olympus', ''].map(isZone)).toEqual([true, true, false, false])
  })
})
