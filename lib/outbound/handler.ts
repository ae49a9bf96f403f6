// One call of the user's function.
import type { Clock } from '../clock.ts'
import type { Outcome } from '../delivery.ts'
import type { SmsEvent } from '../event.ts'

export type HandlerContext = {
  /** 1 for the first try. */
  attempt: number
  /** Aborts when the try has run out of time, or the process ends and another is to try it again. */
  signal: AbortSignal
  /** What follows the endpoint's keyword in the text; null where it has none. */
  rest: string | null
}

/** Resolving is success; a rejection is a failed try, whatever was thrown. */
export type Handler = (event: SmsEvent, context: HandlerContext) => unknown

/** Milliseconds a handler has by default: it often writes to a database or calls out itself. */
export const defaultHandlerTimeoutMs = 30_000

const wordsOf = (thrown: unknown): string => {
  try {
    const { message } = thrown as { message?: unknown }
    return (typeof message === 'string' ? message : String(thrown)).slice(0, 300)
  } catch {
    return 'something that has no text'
  }
}

export const tryHandler = async (
  handler: Handler,
  event: SmsEvent,
  {
    attempt,
    rest,
    timeoutMs,
    clock,
    over,
  }: Omit<HandlerContext, 'signal'> & { timeoutMs: number; clock: Clock; over?: AbortSignal | undefined },
): Promise<Outcome> => {
  const abort = new AbortController()
  let cancel = () => {}
  const late = new Promise<Outcome>((resolve) => {
    const end = (message: string) => {
      abort.abort()
      resolve({ type: 'error', code: 'timeout', message })
    }
    const onOver = () => end('the handler was not waited for any longer')
    const cancelTimer = clock.after(timeoutMs, () => end(`the handler took longer than ${timeoutMs} ms`))
    over?.addEventListener('abort', onOver)
    cancel = () => {
      cancelTimer()
      over?.removeEventListener('abort', onOver)
    }
  })
  // The handler gets a copy: what it does to the event must not reach the next try.
  const called = (async () =>
    handler(structuredClone(event), { attempt, rest, signal: abort.signal }))().then(
    (): Outcome => ({ type: 'done' }),
    (thrown: unknown): Outcome => ({ type: 'error', code: 'threw', message: wordsOf(thrown) }),
  )
  const outcome = await Promise.race([called, late])
  cancel()
  return outcome
}
