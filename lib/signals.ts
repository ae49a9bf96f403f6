// The names and payloads of everything that `sms.on` can watch. Signals are for watching: work belongs in
// a handler endpoint, which is retried.
import type { Attempt, Delivery, Mail, MailOutcome, Reason } from './delivery.ts'
import type { SmsEvent } from './event.ts'
import type { Logger } from './logger.ts'

/** What `on` can watch: each name with what its listeners get. */
export type Signals = {
  /** An event was committed; the sender is about to get its 200. */
  stored: { event: SmsEvent; endpoints: string[] }
  /** An event came again and changed nothing. */
  repeat: { event: SmsEvent }
  /** A request was refused; nothing of it is stored but what quarantine keeps. */
  rejected: { gateway: string; code: string; reason: string }
  /** A received message that nobody is owed: no endpoint wants it and there is no fallback. */
  unrouted: { event: SmsEvent }
  /** One try has its outcome on record; `dueAt` is the next try (ms since the epoch), null when none follows. */
  attempt: { event: SmsEvent; delivery: Delivery; attempt: Attempt; dueAt: number | null }
  /** The endpoint took it. */
  delivered: { event: SmsEvent; delivery: Delivery; attempt: Attempt }
  /** The tries are over and an email is owed. */
  mailing: { event: SmsEvent; delivery: Delivery; reason: Reason; to: readonly string[] }
  /** One attempt to send a mail failed; it is tried again at `dueAt` (ms since the epoch). */
  mailAttempt: { mail: Mail; outcome: MailOutcome; dueAt: number }
  /** The mail server took the email. */
  emailed: { mail: Mail; outcome: MailOutcome; deliveryIds: string[] }
  /** A delivery ended without having reached anyone. It is listed and can be replayed. */
  failed: { deliveryId: string; endpointId: string; reason: Reason }
  /** Something that only the operator can mend, such as a refused SMTP login. */
  alert: { code: string; message: string }
}

export type SignalName = keyof Signals
export type Emit = <Name extends SignalName>(name: Name, payload: Signals[Name]) => void

type Listener<Name extends SignalName> = (payload: Signals[Name]) => void

/** Adds a listener to a signal and returns what removes it. */
export type On = <Name extends SignalName>(name: Name, listener: Listener<Name>) => () => void

/** `on` adds a listener and returns what removes it. A listener that fails is logged and harms nobody. */
export const createSignals = (logger: Logger): { on: On; emit: Emit } => {
  const listeners = new Map<SignalName, Set<Listener<never>>>()
  const failed = (signal: SignalName) => (error: unknown) => {
    logger.error({ signal, error: (error as Error | null)?.name }, 'a signal listener failed')
  }
  return {
    on: (name, listener) => {
      const set = listeners.get(name) ?? new Set()
      listeners.set(name, set.add(listener as Listener<never>))
      return () => {
        set.delete(listener as Listener<never>)
      }
    },
    emit: (name, payload) => {
      for (const listener of listeners.get(name) ?? []) {
        try {
          const answer: unknown = listener(payload as never)
          // Left alone, an async listener that rejects would end the host's process.
          if (answer instanceof Promise) answer.catch(failed(name))
        } catch (error) {
          failed(name)(error)
        }
      }
    },
  }
}
