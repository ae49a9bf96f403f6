// A postman with a real mail server, an engine in memory and a clock that the test turns.
import { listed } from '../../lib/fallback/attachment.ts'
import { letter } from '../../lib/fallback/letter.ts'
import { createMailer } from '../../lib/fallback/mailer.ts'
import { createPostman, type PostmanParts } from '../../lib/fallback/postman.ts'
import type { SignalName } from '../../lib/signals.ts'
import { mailEngine } from './mails.ts'
import { manualClock, settled } from './manual-clock.ts'
import { type SmtpOptions, startSmtp } from './smtp.ts'
import { letterContext } from './stories.ts'

export const minute = 60_000

const closing: (() => unknown)[] = []

/** Belongs into an `afterEach`. */
export const closeAll = async (): Promise<void> => {
  for (const close of closing.splice(0).reverse()) await close()
}

export const postOffice = async (options: SmtpOptions = {}, compose?: PostmanParts['compose']) => {
  const smtp = await startSmtp(options)
  closing.push(smtp.close)
  const clock = manualClock()
  const engine = mailEngine(clock)
  const signals: { name: SignalName; payload: Record<string, unknown> }[] = []
  const lines: { level: string; details: Record<string, unknown>; message: string }[] = []
  const log = (level: string) => (details: Record<string, unknown>, message: string) => {
    lines.push({ level, details, message })
  }
  const { user, pass } = options.login ?? {}
  const postman = () => {
    const url = user ? smtp.url.replace('//', `//${user}:${pass}@`) : smtp.url
    const mailer = createMailer({ smtp: url, from: 'sms@example.com' })
    closing.push(mailer.close)
    return createPostman({
      engine,
      mailer,
      compose:
        compose ??
        (({ mail, stories }, form) =>
          letter(
            stories,
            letterContext({ mail, form, enclosed: listed(stories.map(({ event }) => event)) }),
          )),
      digests: null,
      clock,
      logger: { info: log('info'), warn: log('warn'), error: log('error') },
      emit: (name, payload) => signals.push({ name, payload }),
    })
  }
  const named = (name: SignalName) => signals.filter((signal) => signal.name === name)
  const logged = (level: string) => lines.filter((line) => line.level === level)
  return { smtp, clock, engine, postman, named, logged, lines }
}

/** Waits for a condition that real sockets bring about. */
export const until = async (condition: () => boolean) => {
  const deadline = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not come to pass')
    await settled(1)
  }
}
