// What a letter with several messages says; which messages come together is tested in flood.test.ts.
import type { Reason } from '../../lib/delivery.ts'
import { visibleLength } from '../../lib/fallback/legible.ts'
import { letter } from '../../lib/fallback/letter.ts'
import { letterContext, story } from '../support/stories.ts'

type Fields = NonNullable<Parameters<typeof story>[0]>

const stories = (n: number, fields: (index: number) => Fields = () => ({})) =>
  Array.from({ length: n }, (_, index) =>
    story({ ...fields(index), event: { text: `text ${index + 1}`, ...fields(index).event } }),
  )
const write = (n: number, fields?: (index: number) => Fields, context = {}) =>
  letter(stories(n, fields), letterContext(context))

const elsewhere = { raw: '+61200000000', kind: 'e164', e164: '+61200000000' } as const

describe('subject', () => {
  const subjects: [string, (index: number) => Fields, string][] = [
    ['one number, one reason', () => ({}), '; your system could not be reached'],
    ['in time', () => ({ delivery: { reason: 'deadline' } }), '; your system did not take them in time'],
    ['wanted by nobody', () => ({ delivery: { reason: 'unwanted' } }), ''],
    ['several reasons', (n) => ({ delivery: { reason: (['spent', 'gone'] as Reason[])[n % 2]! } }), ''],
  ]
  test.each(subjects)('%s', (_, fields, ending) => {
    expect(write(23, fields).subject).toBe(`23 text messages for +61298765432${ending}`)
  })

  test('several numbers, and what is no message', () => {
    const others = (n: number): Fields => (n === 1 ? { event: { to: elsewhere } } : {})
    expect(write(3, others).subject).toBe('3 text messages; your system could not be reached')
    const failed = (n: number): Fields => (n === 1 ? { event: { type: 'message.failed' } } : {})
    expect(write(3, failed).subject).toBe('3 messages and reports; your system could not be reached')
  })

  test('at most 78 visible characters, on one line', () => {
    const hostile = { raw: `x\r\nBcc: a@b.c\u202e${'n'.repeat(99)}`, kind: 'alpha', e164: null } as const
    const { subject } = write(100, () => ({ event: { to: hostile } }))
    expect(visibleLength(subject)).toBeLessThanOrEqual(78)
    expect(subject).not.toMatch(/[\r\n\u202e]/)
  })
})

test('a few: one after the other, each with all there is to say', () => {
  const { text, html } = write(5)
  expect(text).toMatch(/^5 messages come in this email/)
  expect(text).not.toContain('"text 1"')
  for (let n = 1; n <= 5; n += 1) {
    expect(text).toContain(`${n} of 5. Your system could not be reached, so here is the text.\n\ntext ${n}\n`)
    expect(html).toContain(`>text ${n}</div>`)
  }
  expect(text.match(/answered 502$/gm)).toHaveLength(50)
  expect(text.match(/Replying to this mail/g)).toHaveLength(1)
  expect(html!.match(/Replying to this mail/g)).toHaveLength(1)
})

test('many: with a table of contents, and without the list of tries', () => {
  const { text, html } = write(6)
  const contents = text.slice(0, text.indexOf('===='))
  expect(contents).toContain('\n3. 1 Jan, 11:00, +61412345678: "text 3"\n')
  expect(html).toContain('<bdi>3. 1 Jan, 11:00, +61412345678: &quot;text 3&quot;</bdi>')
  expect(text).not.toMatch(/answered 502$/m)
  expect(text.match(/in 10 tries between/g)).toHaveLength(6)
  expect(text.match(/can be replayed as delivery/g)).toHaveLength(6)
})

test('a table of contents shows no ciphertext, and no line of a stranger', () => {
  const { text, html } = write(6, (index) => ({
    event:
      index === 0
        ? { encrypted: true, text: 'q83vEjRWeJA=' }
        : { text: `a\r\n7. <b>\u202e"${'x'.repeat(99)}` },
  }))
  expect(text + html).not.toContain('q83vEjRWeJA')
  const contents = text.slice(0, text.indexOf('===='))
  expect(contents).not.toMatch(/^7\./m)
  expect(contents).not.toContain('\u202e')
  expect(html).not.toContain('<b>')
})

test('the digests to one number are one thread, apart from the single mails', () => {
  const one = write(3)
  expect(write(9).references).toBe(one.references)
  expect(one.inReplyTo).toBe(one.references)
  expect(letter([story()], letterContext()).references).not.toBe(one.references)
  expect(write(3, () => ({ event: { to: elsewhere } })).references).not.toBe(one.references)
})

test('as plain as can be: no HTML, each message in full', () => {
  const { text, html } = write(7, undefined, { form: 'plain' })
  expect(html).toBeNull()
  for (let n = 1; n <= 7; n += 1) expect(text).toContain(`\n\ntext ${n}\n\n----`)
})
