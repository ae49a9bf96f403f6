// One call of a user's function, whatever it does.
import { tryHandler } from '../../lib/outbound/handler.ts'
import { deferred } from '../support/deferred.ts'
import { smsEvent } from '../support/events.ts'
import { manualClock } from '../support/manual-clock.ts'

const call = (handler: Parameters<typeof tryHandler>[0], event = smsEvent()) =>
  tryHandler(handler, event, { attempt: 3, rest: null, timeoutMs: 1000, clock: manualClock() })

const throwing = (thrown: unknown) => () => {
  throw thrown
}
const nastyProxy = new Proxy(
  {},
  {
    get: () => {
      throw new Error('trap')
    },
    getPrototypeOf: () => {
      throw new Error('trap')
    },
  },
)

test.each([undefined, null, 0, false, 'no', { status: 500 }])('returning %p is success', async (value) => {
  expect(await call(() => value)).toEqual({ type: 'done' })
  expect(await call(async () => value)).toEqual({ type: 'done' })
})

test.each<[string, unknown, string]>([
  ['an Error', new Error('no room'), 'no room'],
  ['a TypeError', new TypeError('x is not a function'), 'x is not a function'],
  ['null', null, 'something that has no text'],
  ['undefined', undefined, 'something that has no text'],
  ['a text', 'no room', 'no room'],
  ['a number', 42, '42'],
  ['a symbol', Symbol('odd'), 'Symbol(odd)'],
  ['an object without a prototype', Object.create(null), 'something that has no text'],
  ['a proxy that throws', nastyProxy, 'something that has no text'],
  ['an error with an odd message', { message: 7, toString: () => 'odd' }, 'odd'],
])('throwing or rejecting with %s is a failed try', async (_name, thrown, message) => {
  const expected = { type: 'error', code: 'threw', message }
  expect(await call(throwing(thrown))).toEqual(expected)
  expect(await call(async () => throwing(thrown)())).toEqual(expected)
})

test('a long message is cut', async () => {
  const outcome = await call(throwing(new Error('x'.repeat(10_000))))
  expect(outcome).toEqual({ type: 'error', code: 'threw', message: 'x'.repeat(300) })
})

test('it is told which try this is', async () => {
  const seen: number[] = []
  await call((_event, { attempt }) => seen.push(attempt))
  expect(seen).toEqual([3])
})

test('it gets a copy of the event', async () => {
  const event = smsEvent()
  const before = structuredClone(event)
  await call((given) => {
    expect(given).toEqual(before)
    given.text = 'changed'
    given.to = null
    Object.assign(given.raw as object, { body: 'changed' })
  }, event)
  expect(event).toEqual(before)
})

test('an event that cannot be copied is a failed try, not an exception', async () => {
  const outcome = await call(() => {}, smsEvent({ raw: () => {} }))
  expect(outcome).toMatchObject({ type: 'error', code: 'threw' })
})

test('out of time it is told so, and what it does later is ignored', async () => {
  const clock = manualClock()
  const finish = deferred()
  let signal: AbortSignal | undefined
  const outcome = tryHandler(
    async (_event, context) => {
      signal = context.signal
      await finish.promise
      throw new Error('too late')
    },
    smsEvent(),
    { attempt: 1, rest: null, timeoutMs: 1000, clock },
  )
  await clock.advance(999)
  expect(signal?.aborted).toBe(false)
  await clock.advance(1)
  expect(signal?.aborted).toBe(true)
  expect(await outcome).toEqual({
    type: 'error',
    code: 'timeout',
    message: 'the handler took longer than 1000 ms',
  })
  finish.resolve()
})

test('in time it leaves no timer behind and its signal alone', async () => {
  const clock = manualClock()
  let signal: AbortSignal | undefined
  await tryHandler((_event, context) => (signal = context.signal), smsEvent(), {
    attempt: 1,
    rest: null,
    timeoutMs: 1000,
    clock,
  })
  expect(clock.waiting).toBe(0)
  expect(signal?.aborted).toBe(false)
})
