// Reads what an SMTP client reports as an outcome: is it this mail or the set-up, for now or for good? Pure.
import type { MailOutcome } from '../delivery.ts'

export type MailError = Extract<MailOutcome, { type: 'error' }>

/** Longer words of a mail server are cut here. */
const longestMessage = 300

/** What nodemailer's errors carry; every field may be missing. */
type SmtpError = {
  message?: string
  code?: string
  /** The code of the system error underneath: `ECONNREFUSED`, `CERT_HAS_EXPIRED`, ... */
  originalCode?: string
  /** The SMTP command that was answered, `CONN` before there was one, `API` when none was sent. */
  command?: string
  responseCode?: number
  /** The answer itself. */
  response?: string
  /** One for each refused recipient, when all were refused. */
  rejectedErrors?: SmtpError[]
}

type Verdict = Pick<MailError, 'code' | 'permanent' | 'operator'>

const setUp = (code: string): Verdict => ({ code, permanent: false, operator: true })
const forNow = (code: string): Verdict => ({ code, permanent: false, operator: false })
const forGood = (code: string): Verdict => ({ code, permanent: true, operator: false })

const loginCodes = ['EAUTH', 'ENOAUTH', 'EOAUTH2']
const tlsCodes = ['ETLS', 'EREQUIRETLS']
const tlsCause = /CERT|TLS|SSL|EPROTO|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/
// RFC 4954: the server wants a login, or an encrypted one. It says so at MAIL, but it is not about the mail.
const loginReplies = [530, 534, 535, 538]

const isRefusal = (reply: number | undefined): reply is number =>
  // 503 says that the session was out of step, which another session need not be.
  reply !== undefined && reply >= 500 && reply !== 503

/** 552 at RCPT is a full mailbox and counts as 452 (RFC 5321, 4.5.3.1.10). */
const isRefusedRecipient = (reply: number | undefined): boolean => isRefusal(reply) && reply !== 552

/**
 * 552 before or after the message, or a size that the server named beforehand: the mail is too large. A full
 * mailbox is 552 as well, but RFC 3463 has a number of its own for it.
 */
const isTooLarge = ({ code, command, responseCode }: SmtpError): boolean =>
  responseCode === 552 || (code === 'EMESSAGE' && command === 'MAIL FROM')

const isFull = ({ response }: SmtpError): boolean => /^5\d\d[- ]5\.2\.2\b/.test(response ?? '')

const atCommand = (error: SmtpError): Verdict | null => {
  const { command, responseCode } = error
  if (command === 'RCPT TO') {
    const refused = (error.rejectedErrors ?? [error]).every((one) => isRefusedRecipient(one.responseCode))
    return refused ? forGood('recipient') : forNow('recipient')
  }
  if (command !== 'MAIL FROM' && command !== 'DATA') return null
  if (isFull(error)) return forNow('recipient')
  if (isTooLarge(error)) return forGood('size')
  const code = command === 'MAIL FROM' ? 'sender' : 'message'
  if (responseCode === undefined) return null
  return isRefusal(responseCode) ? forGood(code) : forNow(code)
}

const judge = (error: SmtpError): Verdict => {
  const { code = '', originalCode = '', command, responseCode } = error
  if (loginCodes.includes(code) || loginReplies.includes(responseCode ?? 0)) {
    // "Try again later" from the login (RFC 4954, 454) is not a refusal.
    return responseCode !== undefined && responseCode < 500 ? forNow('login') : setUp('login')
  }
  if (tlsCodes.includes(code) || tlsCause.test(originalCode)) return setUp('tls')
  if (code === 'ECONFIG') return setUp('options')
  const answered = atCommand(error)
  if (answered) return answered
  if (code === 'EENVELOPE' && command === 'API') return forGood('recipient')
  if (isRefusal(responseCode)) return setUp('greeting')
  if (code === 'ETIMEDOUT' || code === 'EABORT') return forNow('timeout')
  if (code === 'EDNS') return forNow('dns')
  return forNow('connection')
}

/** One line, without `secrets`, at most 300 characters. */
const tell = (message: string, secrets: readonly string[]): string =>
  secrets
    .filter((secret) => secret.length > 0)
    .reduce((text, secret) => text.replaceAll(secret, '***'), message)
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, longestMessage)

/** `secrets` are cut from the message: the password, and what the mail says. */
export const errorOutcome = (error: unknown, secrets: readonly string[] = []): MailError => {
  const fault = (typeof error === 'object' && error !== null ? error : {}) as SmtpError
  return { type: 'error', ...judge(fault), message: tell(fault.message ?? String(error), secrets) }
}

/** The server took the mail for at least one recipient. */
export const sentOutcome = (
  info: { response?: unknown; rejected?: unknown },
  secrets: readonly string[],
): MailOutcome => ({
  type: 'sent',
  response: tell(typeof info.response === 'string' ? info.response : '', secrets),
  rejected: Array.isArray(info.rejected) ? info.rejected.map(addressOf) : [],
})

// Transports other than SMTP report objects.
const addressOf = (entry: unknown): string =>
  typeof entry === 'object' && entry !== null && 'address' in entry ? String(entry.address) : String(entry)
