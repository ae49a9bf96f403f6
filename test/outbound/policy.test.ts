// The schedules and what a `Retry-After` may do to them.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import fc from 'fast-check'
import type { Outcome, Policy } from '../../lib/delivery.ts'
import { delayMs, isSuccess, retryAfterMs } from '../../lib/outbound/policy.ts'
import { policies } from '../../lib/policies.ts'
import { anyPolicy, anyRandom } from '../support/policies.ts'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const now = Date.UTC(2026, 0, 1)

const refused: Outcome = { type: 'error', code: 'refused', message: '' }
const answer = (status: number, retryAfter: string | null = null): Outcome => ({
  type: 'answer',
  status,
  retryAfter,
  excerpt: '',
})

/** The delays between the tries of a delivery that fails each time. */
const delaysOf = (policy: Policy, random: number, outcome: Outcome = refused) =>
  Array.from({ length: policy.tries - 1 }, (_, index) => delayMs(policy, index + 1, outcome, { now, random }))
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

describe('schedules', () => {
  test('sms: ten tries, 1910 s of delays', () => {
    expect(policies.sms.tries).toBe(10)
    expect(delaysOf(policies.sms, 0)).toEqual(
      [5, 15, 30, 60, 120, 240, 360, 480, 600].map((seconds) => seconds * second),
    )
    expect(sum(delaysOf(policies.sms, 0))).toBe(1910 * second)
  })

  test('sms: the email goes out 32 to 36 minutes after the first failure, slow tries included', () => {
    const soonest = sum(delaysOf(policies.sms, 0))
    const latest = sum(delaysOf(policies.sms, 1 - Number.EPSILON)) + 9 * policies.sms.timeoutMs
    expect(Math.round(soonest / minute)).toBe(32)
    expect(latest).toBeLessThanOrEqual(36 * minute)
    expect(latest).toBeGreaterThan(35 * minute)
  })

  test('standardWebhooks: ten tries over 75 h 35 m', () => {
    expect(policies.standardWebhooks.tries).toBe(10)
    const total = sum(delaysOf(policies.standardWebhooks, 0))
    expect(Math.floor(total / minute)).toBe(75 * 60 + 35)
  })

  test('the last delay repeats when there are more tries than delays', () => {
    const policy = { ...policies.sms, tries: 5, delaysMs: [10, 20] }
    expect(delaysOf(policy, 0)).toEqual([10, 20, 20, 20])
    expect(delaysOf({ ...policy, delaysMs: [] }, 0.5)).toEqual([0, 0, 0, 0])
  })

  test('jitter only adds, and at most a tenth', () => {
    fc.assert(
      fc.property(anyPolicy, fc.nat(120), anyRandom, (policy, tries, random) => {
        const planned = delayMs(policy, tries + 1, refused, { now, random: 0 })
        const delay = delayMs(policy, tries + 1, refused, { now, random })
        expect(Number.isInteger(delay)).toBe(true)
        expect(delay).toBeGreaterThanOrEqual(planned)
        // In whole numbers: 1.1 is not a float.
        expect((delay - planned) * 10).toBeLessThanOrEqual(planned)
      }),
    )
  })
})

describe('success', () => {
  test.each<[Policy['success'], number, boolean]>([
    [200, 200, true],
    [200, 201, false],
    [200, 204, false],
    [200, 199, false],
    [200, 302, false],
    [200, 500, false],
    [202, 202, true],
    [202, 200, false],
    ['2xx', 200, true],
    ['2xx', 299, true],
    ['2xx', 300, false],
    ['2xx', 101, false],
    ['<400', 200, true],
    ['<400', 399, true],
    ['<400', 400, false],
    ['<400', 199, false],
  ])('under %p an answer of %i counts: %p', (success, status, expected) => {
    expect(isSuccess({ ...policies.sms, success }, answer(status))).toBe(expected)
  })

  test('a handler that is done counts, an error never does', () => {
    expect(isSuccess(policies.sms, { type: 'done' })).toBe(true)
    expect(isSuccess({ ...policies.sms, success: '<400' }, refused)).toBe(false)
  })
})

describe('Retry-After', () => {
  test.each<[string | null, number]>([
    [null, 0],
    ['120', 120 * second],
    [' 120 ', 120 * second],
    ['0', 0],
    ['Thu, 01 Jan 2026 00:02:00 GMT', 2 * minute],
    ['Thursday, 01-Jan-26 00:02:00 GMT', 2 * minute],
    ['Thu Jan  1 00:02:00 2026', 2 * minute],
    ['Wed, 31 Dec 2025 23:00:00 GMT', 0],
  ])('%p asks for %i ms', (value, expected) => {
    expect(retryAfterMs(value, now)).toBe(expected)
  })

  test.each(['', '-5', '1.5', '1e3', '0x10', '+5', '5 s', 'soon', 'NaN', 'Infinity', '१२', '5\u0000'])(
    '%p is not one and asks for nothing',
    (value) => {
      expect(retryAfterMs(value, now)).toBe(0)
    },
  )

  test('a date of the oldest form is in GMT whatever the zone of the process', () => {
    const policy = join(import.meta.dirname, '../../lib/outbound/policy.ts')
    const script = `import(${JSON.stringify(policy)}).then(({ retryAfterMs }) =>
      console.log(retryAfterMs('Thu Jan  1 00:02:00 2026', ${now})))`
    const printed = execFileSync(process.execPath, ['-e', script], {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'Australia/Sydney', NODE_OPTIONS: '' },
    })
    expect(Number(printed)).toBe(2 * minute)
  })

  test('it raises the delay, never lowers it', () => {
    const { sms } = policies
    expect(delayMs(sms, 1, answer(503, '60'), { now, random: 0 })).toBe(minute)
    expect(delayMs(sms, 5, answer(503, '60'), { now, random: 0 })).toBe(2 * minute)
    expect(delayMs(sms, 1, answer(503, 'Thu, 01 Jan 1970 00:00:00 GMT'), { now, random: 0 })).toBe(5 * second)
  })

  test.each<[string, number, Policy]>([
    ['sms', 10 * minute, policies.sms],
    ['standardWebhooks', hour, policies.standardWebhooks],
  ])('%s lets it ask for %i ms and no more', (_name, most, policy) => {
    expect(delayMs(policy, 1, answer(503, '86400'), { now, random: 0 })).toBe(most)
    expect(delayMs(policy, 1, answer(503, '9'.repeat(99)), { now, random: 0 })).toBe(most)
    expect(delayMs(policy, 1, answer(503, 'Fri, 31 Dec 9999 23:59:59 GMT'), { now, random: 0 })).toBe(most)
  })

  test('whatever it says, the delay is a number from the planned one to the larger of that and the cap', () => {
    const hostile = fc.oneof(
      fc.string(),
      fc.bigInt().map(String),
      fc.double().map(String),
      fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    )
    fc.assert(
      fc.property(anyPolicy, fc.nat(20), hostile, (policy, tries, retryAfter) => {
        const planned = delayMs(policy, tries + 1, answer(503), { now, random: 0 })
        const delay = delayMs(policy, tries + 1, answer(503, retryAfter), { now, random: 0 })
        expect(Number.isFinite(delay)).toBe(true)
        expect(delay).toBeGreaterThanOrEqual(planned)
        expect(delay).toBeLessThanOrEqual(Math.max(planned, policy.retryAfterMaxMs))
      }),
    )
  })
})
