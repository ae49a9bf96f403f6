import fc from 'fast-check'
import type { MailOutcome } from '../../lib/delivery.ts'
import {
  interrupted,
  isDivisible,
  mailDelaysMs,
  mailGiveUpMs,
  nextMailStep,
} from '../../lib/fallback/schedule.ts'

const minute = 60_000
const refused = (fields: object = {}): MailOutcome => ({
  type: 'error',
  code: 'recipient',
  permanent: false,
  operator: false,
  message: '450 busy',
  ...fields,
})

/** The times of all attempts, in minutes after the mail was owed, while every one fails. */
const attemptsOf = (outcome: MailOutcome, random: () => number, startAt = 0): number[] => {
  const times: number[] = []
  let now = startAt
  for (;;) {
    times.push(now)
    const next = nextMailStep({ tries: times.length - 1, createdAt: 0 }, outcome, { now, random: random() })
    if (next.to !== 'retry') return times
    now = next.dueAt
  }
}

test('1 m, 5 m, 15 m, 30 m, 1 h, then every 2 h, and the last attempt after 5 days', () => {
  const minutes = attemptsOf(refused(), () => 0).map((at) => at / minute)
  expect(minutes.slice(0, 8)).toEqual([0, 1, 6, 21, 51, 111, 231, 351])
  expect(minutes.at(-1)).toBe(5 * 24 * 60)
})

test('sent is sent, refused for good is failed, and the operator’s fault is never for good', () => {
  const mail = { tries: 3, createdAt: 0 }
  const moment = { now: 0, random: 0 }
  expect(nextMailStep(mail, { type: 'sent', response: '', rejected: ['a@b.c'] }, moment)).toEqual({
    to: 'sent',
  })
  expect(nextMailStep(mail, refused({ permanent: true }), moment)).toEqual({ to: 'failed' })
  expect(attemptsOf(refused({ operator: true, code: 'login' }), () => 0).at(-1)).toBe(mailGiveUpMs)
})

test('what may be the fault of one message among several does not end the others', () => {
  for (const outcome of [refused({ code: 'message' }), refused({ code: 'letter' }), interrupted]) {
    expect(isDivisible(2, outcome)).toBe(true)
    expect(isDivisible(1, outcome)).toBe(false)
  }
  for (const code of ['recipient', 'sender', 'login', 'connection'])
    expect(isDivisible(100, refused({ code, permanent: true }))).toBe(false)
})

test('a mail that was owed while nothing ran is tried on the short steps before it is given up', () => {
  const late = attemptsOf(refused(), () => 0, 2 * mailGiveUpMs)
  expect(late).toHaveLength(mailDelaysMs.length)
})

test('never earlier than planned, at most a tenth later, and always an end', () => {
  const randoms = fc.infiniteStream(fc.double({ min: 0, max: 0.999_999, noNaN: true }))
  fc.assert(
    fc.property(randoms, (stream) => {
      const times = attemptsOf(refused(), () => stream.next().value!)
      const gaps = times.slice(1).map((at, index) => at - times[index]!)
      gaps.forEach((gap, index) => {
        const planned = mailDelaysMs[Math.min(index, mailDelaysMs.length - 1)]!
        if (index < gaps.length - 1) expect(gap).toBeGreaterThanOrEqual(planned)
        expect(gap).toBeLessThanOrEqual(planned * 1.1 + 1)
      })
      expect(times.at(-1)).toBe(mailGiveUpMs)
    }),
  )
})
