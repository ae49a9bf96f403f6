// Letters as they arrive: sent over SMTP and parsed back.
import fc from 'fast-check'
import type { SmsEvent } from '../../lib/event.ts'
import { enclose } from '../../lib/fallback/attachment.ts'
import { legible } from '../../lib/fallback/legible.ts'
import { letter } from '../../lib/fallback/letter.ts'
import { createMailer, type Mailer } from '../../lib/fallback/mailer.ts'
import { files, inline } from '../support/files.ts'
import { type Smtp, startSmtp } from '../support/smtp.ts'
import { letterContext, story } from '../support/stories.ts'

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

const arrives = async (fields: Partial<SmsEvent>, to = ['owner@example.com']) => {
  const told = story({ event: fields })
  const enclosed = await enclose([told.event])
  const written = letter([told], letterContext({ mail: { ...letterContext().mail, to }, enclosed }))
  const outcome = await mailer.send(written)
  expect(outcome).toMatchObject({ type: 'sent', rejected: [] })
  return { ...(await smtp.next()), written }
}

const lead = 'Your system could not be reached, so here is the text.'

/** What stands between the lead and the rule. */
const messageIn = (text: string): string => {
  expect(text.startsWith(`${lead}\n\n`)).toBe(true)
  return text.slice(lead.length + 2, text.lastIndexOf('\n\n----------------------------------------\nFrom:'))
}

const texts: [string, string, string?][] = [
  ['plain', 'Are you open on Sunday?'],
  ['emoji', 'Thanks 👍🏽 from us all 👨‍👩‍👧‍👦🇦🇺'],
  ['Arabic', '\u200fمرحبا، هل أنتم مفتوحون يوم الأحد؟'],
  ['Chinese', '你们星期天营业吗？'],
  ['apostrophe', 'It\'s Bob\'s "place" & <b>more</b>'],
  ['NUL', 'a\u0000b\u0007c\u007fd\u0085e', 'a␀b␇c␡d\ne'],
  ['line ends', 'one\r\ntwo\rthree\n\n\nfour', 'one\ntwo\nthree\n\n\nfour'],
  ['spaces', '  indented \t and trailing  \n \n.\n..dots\nFrom here'],
  ['half an emoji', 'cut \ud83d', 'cut \ufffd'],
  ['1,600 characters', "It's 7 o'clock… ".repeat(100)],
  ['1,600 characters on one line of ASCII', 'x'.repeat(1_600)],
  ['looks like SMTP', '\r\n.\r\nMAIL FROM:<evil@example.com>\r\n', '\n.\nMAIL FROM:<evil@example.com>\n'],
]

test.each(texts)('%s arrives whole, in text and in HTML', async (_, text, expected = text) => {
  const { mail } = await arrives({ text })
  expect(messageIn(mail.text!)).toBe(expected)
  const html = (mail.html as string).match(/unicode-bidi:isolate">(.*?)<\/div>/s)![1]!
  const entities: Record<string, string> = {
    '&amp;': '&',
    '&lt;': '<',
    '&gt;': '>',
    '&quot;': '"',
    '&#39;': "'",
  }
  const shown = html
    .replaceAll('<br>', '\n')
    .replace(/&(amp|lt|gt|quot|#39);/g, (entity) => entities[entity]!)
  expect(shown).toBe(expected)
})

test('a sender who writes headers adds none, and no recipient', async () => {
  const raw = 'Bob" <x@y.z>\r\nBcc: a@b.c'
  const {
    mail,
    envelope,
    raw: bytes,
  } = await arrives({ from: { raw, kind: 'alpha', e164: null }, text: 'Hi' })
  expect(envelope).toEqual({ from: 'sms@example.com', to: ['owner@example.com'] })
  expect(mail.subject).toBe('SMS from Bob" <x@y.z> Bcc: a@b.c to +61298765432: "Hi"')
  expect(mail.bcc).toBeUndefined()
  expect(bytes).not.toMatch(/^Bcc:/m)
  expect(mail.text).toContain('From:     Bob" <x@y.z> Bcc: a@b.c\n')
})

test('headers: nobody answers it automatically, and one sender’s texts are one thread', async () => {
  const first = await arrives({ text: 'one' })
  const second = await arrives({ text: 'two' })
  const { headers } = first.mail
  expect(headers.get('auto-submitted')).toBe('auto-generated')
  expect(headers.get('x-auto-response-suppress')).toBe('OOF, AutoReply')
  expect(first.raw).toMatch(/^List-Id: SMS <sms\.example\.com>\r$/im)
  expect(first.mail.references).toBe(second.mail.references)
  expect(first.mail.inReplyTo).toBe(first.mail.references)
  expect(first.mail.references).not.toMatch(/61412345678|61298765432/)
})

test('files arrive as they were, and none is shown unasked', async () => {
  const text = Buffer.from('Grüße\r\n.\r\n')
  const media = [
    inline(files.png, { name: 'Büro "1".jpg', contentType: 'text/html' }),
    inline(text, { name: 'a.txt', contentType: 'text/plain' }),
    inline(files.html, { name: 'a.eml', contentType: 'message/rfc822' }),
  ]
  const { mail, raw } = await arrives({ media })
  const [png, words, html] = mail.attachments
  expect(png).toMatchObject({ filename: 'Büro _1_.png', contentType: 'image/png', content: files.png })
  expect(words).toMatchObject({ filename: 'a.txt', contentType: 'text/plain', content: text })
  const contentType = 'application/octet-stream'
  expect(html).toMatchObject({ filename: 'a.eml.bin', contentType, content: files.html })
  expect(raw.match(/^Content-Disposition: attachment/gim)).toHaveLength(3)
  expect(raw).not.toMatch(/^Content-(Disposition: inline|ID)/im)
})

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc
    .array(
      fc.constantFrom(
        '\r\n',
        '\n',
        '.',
        ' ',
        '\t',
        '=',
        'From ',
        'x'.repeat(80),
        '\0',
        '\u202e',
        'é',
        '😀',
        '<',
        '&',
      ),
    )
    .map((parts) => parts.join('')),
)

test('any text arrives', async () => {
  await fc.assert(
    fc.asyncProperty(anyText, async (text) => {
      const { mail } = await arrives({ text: `[${text}]` })
      expect(messageIn(mail.text!)).toBe(legible(`[${text}]`))
    }),
    { numRuns: 100 },
  )
})

test('legible changes nothing but line ends, control characters and half characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const kept = (part: string) =>
        part.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u2400-\u2421\ufffd]|\p{Cs}/gu, '')
      expect(kept(legible(text))).toBe(kept(text))
      expect(legible(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]|\p{Cs}/u)
      expect(legible(legible(text))).toBe(legible(text))
    }),
  )
})

test('no sender, number or recipient adds a header or a recipient', async () => {
  const plain = await arrives({ text: 'Hi' })
  const names = (keys: Iterable<string>) => [...keys].sort()
  const hostile = fc.oneof(
    anyText,
    fc.constantFrom(
      '\r\nBcc: a@b.c',
      'a@b.c, d@e.f',
      '"x" <a@b.c>',
      'x\r\n\r\nbody',
      'g: a@b.c;',
      '=?utf-8?q?=0d=0aBcc:_a@b.c?=',
    ),
  )
  const address = hostile.map((raw) => ({ raw, kind: 'unknown' as const, e164: null }))
  await fc.assert(
    fc.asyncProperty(address, address, hostile, hostile, async (from, to, gateway, identity) => {
      const { mail, envelope } = await arrives({ from, to, gateway, identity, text: 'Hi' })
      expect(envelope).toEqual({ from: 'sms@example.com', to: ['owner@example.com'] })
      expect(names(mail.headers.keys())).toEqual(names(plain.mail.headers.keys()))
      expect(mail.to).toEqual(plain.mail.to)
    }),
    { numRuns: 100 },
  )
  await fc.assert(
    fc.asyncProperty(hostile, async (recipient) => {
      const before = smtp.received.length
      const outcome = await mailer.send(
        letter([story()], letterContext({ mail: { ...letterContext().mail, to: [recipient] } })),
      )
      if (outcome.type === 'error') {
        expect(outcome).toMatchObject({ code: 'recipient', permanent: true })
        expect(smtp.received).toHaveLength(before)
      } else {
        expect((await smtp.next()).envelope.to).toEqual([recipient])
      }
    }),
    { numRuns: 100 },
  )
})
