// Letters about hostile events: sent, parsed back, and compared with what a harmless one looks like.
import fc from 'fast-check'
import type { Address, Media } from '../../lib/event.ts'
import { enclose } from '../../lib/fallback/attachment.ts'
import { letter, messageIdFor } from '../../lib/fallback/letter.ts'
import { createMailer, type Mailer } from '../../lib/fallback/mailer.ts'
import { webhookEndpoint } from '../support/events.ts'
import { files, inline } from '../support/files.ts'
import { type Received, type Smtp, startSmtp } from '../support/smtp.ts'
import { failedTries, letterContext, story } from '../support/stories.ts'
import { scale, seed } from '../support/torture.ts'

let smtp: Smtp
let mailer: Mailer

beforeAll(async () => {
  smtp = await startSmtp()
  mailer = createMailer({ smtp: smtp.url, from: 'Texts <sms@example.com>' })
})
afterAll(async () => {
  mailer.close()
  await smtp.close()
})

type Stories = ReturnType<typeof story>[]

const arrives = async (stories: Stories, fields: Parameters<typeof letterContext>[0] = {}) => {
  const { gateway, identity } = stories[0]!.event
  const endpointId = stories[0]!.delivery.endpoint.id
  const messageId = messageIdFor({ gateway, identity, endpointId, round: 1 }, 'example.com')
  const enclosed = await enclose(stories.map(({ event }) => event))
  const mail = { ...letterContext().mail, messageId }
  const written = letter(stories, letterContext({ mail, enclosed, ...fields }))
  expect(await mailer.send(written)).toMatchObject({ type: 'sent', rejected: [] })
  return { ...(await smtp.next()), written }
}

const headerNames = [
  'auto-submitted',
  'content-type',
  'date',
  'from',
  'in-reply-to',
  'list',
  'message-id',
  'mime-version',
  'references',
  'subject',
  'to',
  'x-auto-response-suppress',
]
const tags = [
  '!doctype',
  'html',
  'head',
  'meta',
  'title',
  'body',
  'div',
  'p',
  'br',
  'hr',
  'table',
  'tr',
  'td',
  'bdi',
  'a',
]
const bidi = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/

/** What holds for every letter, whatever it is about. */
const check = ({ raw, envelope, mail, written }: Received & { written: ReturnType<typeof letter> }) => {
  expect(envelope).toEqual({ from: 'sms@example.com', to: ['owner@example.com'] })
  const head = raw.slice(0, raw.indexOf('\r\n\r\n'))
  for (const line of head.split('\r\n')) expect(line.length).toBeLessThan(999)
  expect(head).not.toMatch(/[^\r]\n|\r[^\n]|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/)
  const names = head.split('\r\n').flatMap((line) => /^([!-9;-~]+):/.exec(line)?.[1]?.toLowerCase() ?? [])
  for (const name of ['from', 'to', 'subject', 'message-id', 'date', 'content-type'])
    expect(names.filter((one) => one === name)).toHaveLength(1)
  const encoding = names.includes('content-transfer-encoding') ? ['content-transfer-encoding'] : []
  expect([...mail.headers.keys()].sort()).toEqual([...headerNames, ...encoding].sort())
  expect(mail.from!.value).toEqual([{ name: 'Texts', address: 'sms@example.com' }])
  expect(mail.to).toMatchObject({ value: [{ address: 'owner@example.com', name: '' }] })
  expect(mail.messageId).toBe(written.messageId)
  expect(mail.subject).toBe(written.subject)
  expect(mail.subject).not.toMatch(bidi)
  expect(mail.text).toBe(written.text)

  const html = mail.html as string
  expect(html).toBe(written.html)
  const shown = html.replace(/<div dir="auto".*?<\/div>/gs, '')
  expect(shown).not.toMatch(bidi)
  for (const [, tag] of html.matchAll(/<\/?([^\s>]+)/g)) expect(tags).toContain(tag)
  for (const [, href] of html.matchAll(/href="([^"]*)"/g)) expect(href).toMatch(/^tel:\+\d+$/)
  expect(html.replace(/="[^"]*"/g, '')).not.toMatch(/<[^>]*\son\w+/i)

  expect(mail.attachments).toHaveLength(written.attachments.length)
  mail.attachments.forEach(({ filename, contentDisposition, content }, index) => {
    expect(contentDisposition).toBe('attachment')
    expect(filename).toBe(written.attachments[index]!.filename)
    expect(filename).not.toMatch(/[/\\<>:"|?*\p{Cc}]|^\.|\.$/u)
    expect(content.equals(written.attachments[index]!.content)).toBe(true)
  })
}

const nasty = [
  '\r\nBcc: evil@example.com\r\n\r\nbody',
  '\nContent-Type: text/html',
  '\r\n.\r\nQUIT\r\n',
  '\r\n--boundary--\r\n',
  'a@b.c, d@e.f',
  '"x" <a@b.c>',
  '=?utf-8?q?=0d=0aBcc:_a@b.c?=',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '</div></td></table><a href="https://evil.example">x</a>',
  "' style='x",
  '<!-- ',
  '{{7*7}}<%= 7 %>',
  '\u202egnp.exe',
  '\u2066\u2067\u202a',
  '\0\u0007\u001b[31m\u007f\u0085\u2028',
  '\ud83d',
  '../../x.exe',
  '..\\..\\x.exe',
  'con.txt',
  'a\r\nContent-Disposition: inline; filename=x.html',
  '+61412345678"><b>',
  'javascript:alert(1)',
  '__proto__',
]

test.each(nasty)('%j in every field', async (words) => {
  const address: Address = { raw: words, kind: 'unknown', e164: null }
  const event = {
    gateway: words,
    identity: words,
    from: address,
    to: { ...address, kind: 'e164' as const, e164: words },
    text: words,
    reason: words,
    notes: [words],
    media: [
      inline(files.png, { name: words, contentType: words }),
      { contentType: words, name: words, size: null, data: null, url: words } as Media,
    ],
  }
  const endpoint = webhookEndpoint({ id: words, url: `https://crm.example.com/${words}`, format: words })
  const attempts = failedTries(2, { type: 'error', code: 'network', message: words })
  const one = story({ event, delivery: { endpoint }, attempts })
  check(await arrives([one]))
  check(await arrives([one, story({ event: { ...event, type: 'unknown' }, delivery: { endpoint } })]))
})

const text = fc.oneof(
  fc.constantFrom(...nasty),
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc
    .array(fc.oneof(fc.constantFrom(...nasty), fc.string({ maxLength: 9 })), { maxLength: 6 })
    .map((parts) => parts.join('')),
)
const address = fc.option(
  fc.record({ raw: text, kind: fc.constantFrom('alpha' as const, 'e164' as const), e164: fc.option(text) }),
)
const medium = fc.record({
  contentType: fc.oneof(text, fc.constantFrom('image/png', 'text/html', 'message/rfc822')),
  name: fc.option(text),
  size: fc.constant(null),
  data: fc.option(fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('base64'))),
  url: fc.option(text),
})
const hostile = fc
  .record({
    event: fc.record({
      gateway: text,
      identity: text,
      type: fc.constantFrom('message.received' as const, 'message.failed' as const, 'unknown' as const),
      from: address,
      to: address,
      text: fc.option(text),
      reason: fc.option(text),
      notes: fc.array(text, { maxLength: 3 }),
      media: fc.array(medium, { maxLength: 3 }),
      receivedAt: text,
      occurredAt: fc.option(text),
    }),
    id: text,
    url: text,
    message: text,
    kind: fc.constantFrom('webhook' as const, 'handler' as const, 'email' as const),
  })
  .map(({ event, id, url, message, kind }) =>
    story({
      event,
      delivery: { endpoint: webhookEndpoint({ id, url, kind }) },
      attempts: failedTries(2, { type: 'error', code: 'network', message }),
    }),
  )

test('whatever an event holds, the letter is one letter to one recipient, and shows it as text', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 7 }), async (stories) => {
      check(await arrives(stories))
    }),
    { numRuns: 100 * scale, seed },
  )
}, 120_000)

test('10 MB of media under a hostile name', async () => {
  const bytes = Buffer.alloc(10 * 1024 * 1024, 'x')
  const media = [inline(bytes, { name: '../../x.exe', contentType: 'text/plain' })]
  const told = await arrives([story({ event: { media } })])
  check(told)
  expect(told.mail.attachments.map(({ filename }) => filename)).toEqual(['x.txt'])
  const more = [...media, inline(files.png, { name: '..\\..\\y.png', contentType: 'image/png' })]
  const { mail } = await arrives([story({ event: { media: more } })])
  expect(mail.attachments).toHaveLength(1)
  expect(mail.text).toContain('Not attached, since an email holds at most 10 MB of files: y.png')
})
