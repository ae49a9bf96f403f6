// Arbitrary policies and chances for property tests.
import fc from 'fast-check'
import type { Policy } from '../../lib/delivery.ts'

export const anyPolicy: fc.Arbitrary<Policy> = fc.record({
  tries: fc.integer({ min: 1, max: 20 }),
  delaysMs: fc.array(fc.nat(100_000_000), { maxLength: 20 }),
  timeoutMs: fc.integer({ min: 1, max: 60_000 }),
  success: fc.constantFrom<Policy['success']>(200, 202, '2xx', '<400'),
  endOn: fc.subarray([404, 410, 500]),
  retryAfterMaxMs: fc.nat(100_000_000),
  fallbackAfterMs: fc.option(fc.nat(100_000_000)),
})

/** From 0 to just below 1, both ends often. */
export const anyRandom = fc.oneof(
  fc.constantFrom(0, 1 - Number.EPSILON / 2),
  fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
)
