// What a letter says of the files that came with its messages; which those are is tested in attachment.test.ts.
import type { Attachment, Enclosed } from '../../lib/fallback/attachment.ts'
import { letter } from '../../lib/fallback/letter.ts'
import { letterContext, story } from '../support/stories.ts'

const write = (context: Parameters<typeof letterContext>[0]) => letter([story()], letterContext(context))

/** The files of the only message. */
const enclosed = (fields: Partial<Enclosed>): Enclosed[] => [
  { attachments: [], leftOut: [], unreadable: [], links: [], ...fields },
]

const file = (filename: string): Attachment => ({
  filename,
  contentType: 'image/jpeg',
  contentDisposition: 'attachment',
  content: Buffer.from('hi'),
})

test('files that go along are named', () => {
  const attachments = [file('a.jpg'), file('b.jpg')]
  const written = write({ enclosed: enclosed({ attachments }) })
  expect(written.attachments).toEqual(attachments)
  expect(written.text).toContain('Attached: a.jpg, b.jpg\n')
})

test('files that do not fit are named with their size, and where they are', () => {
  const leftOut = [
    { name: 'a.mp4', bytes: 12.3 * 1024 * 1024 },
    { name: 'b.jpg', bytes: 10 },
  ]
  const { text } = write({ enclosed: enclosed({ leftOut }) })
  const remark =
    'Not attached, since an email holds at most 10 MB of files: a.mp4 (12.3 MB), b.jpg (10 bytes)\n'
  expect(text).toContain(`${remark}What is not attached is kept in the store, with the message.\n`)
  const unstored = write({ enclosed: enclosed({ leftOut }), stored: false }).text
  expect(unstored).toContain(remark)
  expect(unstored).not.toContain('kept in the store')
})

test('files that could not be read are told', () => {
  const { text } = write({ enclosed: enclosed({ unreadable: ['a.jpg'] }) })
  expect(text).toContain('A file that could not be read came with it: a.jpg\n')
})

test.each([
  [null, 'A file came with it, to be found at'],
  [404, 'A file came with it and could not be attached (answered 404), to be found at'],
  ['timeout', 'A file came with it and could not be attached (no answer in time), to be found at'],
  ['blocked', 'A file came with it and could not be attached (address not allowed), to be found at'],
  ['too-large', 'A file came with it and could not be attached (too large for an email), to be found at'],
  ['empty', 'A file came with it and could not be attached (the file is empty), to be found at'],
] as const)(
  'files that are known by an address are listed, also after %s, and never as a link',
  (fault, words) => {
    const url = 'https://x.example/1?a=<b>"c"'
    const { text, html } = write({ enclosed: enclosed({ links: [{ url, fault }] }) })
    expect(text).toContain(`${words} ${url}\n`)
    expect(html).toContain('https://x.example/1?a=&lt;b&gt;&quot;c&quot;')
    expect(html!.match(/<a /g)).toHaveLength(1)
    expect(html).toContain('<a href="tel:')
  },
)

test('files stand with the message that they came with', () => {
  const stories = [story({ event: { text: 'one' } }), story({ event: { text: 'two' } })]
  const both = [...enclosed({ attachments: [file('1.jpg')] }), ...enclosed({ attachments: [file('2.jpg')] })]
  const { text, attachments } = letter(stories, letterContext({ enclosed: both }))
  expect(text).toMatch(/one\n\nAttached: 1\.jpg\n(?:.|\n)*two\n\nAttached: 2\.jpg\n/)
  expect(attachments.map(({ filename }) => filename)).toEqual(['1.jpg', '2.jpg'])
})
