// The sender as it stands in a configuration, parsed once, and addresses masked for the log. What counts as
// an address is said in recipients.ts.
import { z } from 'zod'
import { isMailAddress } from '../recipients.ts'

export type Mailbox = { name: string; address: string }

const parseMailbox = (text: string): Mailbox | null => {
  const [, quoted, plain, inside, bare] =
    /^\s*(?:(?:"([^"]*)"|([^"<>]*?))\s*<([^<>]*)>|(\S+))\s*$/.exec(text) ?? []
  const address = inside ?? bare
  const name = quoted ?? plain ?? ''
  return isMailAddress(address) && !/\p{Cc}/u.test(name) ? { name, address } : null
}

/** `sms@example.com` or `Name <sms@example.com>`, read as a Mailbox. */
export const mailboxSchema = z.unknown().transform((value, issues): Mailbox => {
  const mailbox = typeof value === 'string' ? parseMailbox(value) : null
  if (mailbox) return mailbox
  const seen =
    value === undefined
      ? 'undefined; is its environment variable set?'
      : `${JSON.stringify(value) ?? typeof value} is not one mail address;`
  issues.addIssue({ code: 'custom', message: `${seen} write "sms@example.com" or "Name <sms@example.com>"` })
  return z.NEVER
})

/** `o***@example.com`: enough to recognise in a log line, too little to write to. */
export const masked = (address: string): string =>
  address.replace(/^(.)[^@]*/u, (_, first: string) => `${first}***`)
