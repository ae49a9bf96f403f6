// Which files go along with a mail, as what and under which name. Fetching is tested in test/media.test.ts.
import fc from 'fast-check'
import type { Media } from '../../lib/event.ts'
import { enclose, type FetchFiles, mostAttachedBytes } from '../../lib/fallback/attachment.ts'
import { smsEvent } from '../support/events.ts'
import { files, inline, linked } from '../support/files.ts'

const octets = 'application/octet-stream'

const enclosed = async (media: Media[], fetchFiles?: FetchFiles) => {
  const all = await enclose([smsEvent({ media })], fetchFiles)
  expect(all).toHaveLength(1)
  return all[0]!
}

/** Name and type of one file. */
const attached = async (content: Buffer | string, fields: Partial<Media> = {}) => {
  const { attachments } = await enclosed([inline(content, fields)])
  expect(attachments).toHaveLength(1)
  const { filename, contentType, contentDisposition } = attachments[0]!
  expect(contentDisposition).toBe('attachment')
  return [filename, contentType]
}

describe('types', () => {
  test.each([
    ['jpeg', 'image/jpeg', 'jpg'],
    ['png', 'image/png', 'png'],
    ['gif', 'image/gif', 'gif'],
    ['webp', 'image/webp', 'webp'],
    ['heic', 'image/heic', 'heic'],
    ['bmp', 'image/bmp', 'bmp'],
    ['tiff', 'image/tiff', 'tif'],
    ['mp3', 'audio/mpeg', 'mp3'],
    ['amr', 'audio/amr', 'amr'],
    ['opus', 'audio/ogg', 'opus'],
    ['wav', 'audio/wav', 'wav'],
    ['mp4', 'video/mp4', 'mp4'],
    ['3gp', 'video/3gpp', '3gp'],
    ['mov', 'video/quicktime', 'mov'],
    ['webm', 'video/webm', 'webm'],
    ['pdf', 'application/pdf', 'pdf'],
  ] as const)('%s is told by its bytes, whatever it is called', async (kind, type, extension) => {
    for (const contentType of ['image/jpeg', 'text/html', 'TEXT/PLAIN', '', 'image/svg+xml; x=y'])
      expect(await attached(files[kind], { contentType })).toEqual([`attachment-1.${extension}`, type])
  })

  test.each(['html', 'svg', 'xml', 'exe', 'zip', 'flash', 'smil'] as const)(
    '%s is nothing but bytes, whatever it is called',
    async (kind) => {
      const declared = [
        'image/jpeg',
        'image/svg+xml',
        'text/html',
        'text/plain',
        'video/mp4',
        'text/calendar',
      ]
      for (const contentType of declared)
        expect(await attached(files[kind], { contentType })).toEqual(['attachment-1.bin', octets])
    },
  )

  const text = Buffer.from('Grüße, I <3 roses\r\n')
  test.each([
    ['text/plain', 'txt', 'text/plain; charset=utf-8'],
    ['Text/Plain; charset=iso-8859-1', 'txt', 'text/plain; charset=utf-8'],
    ['text/vcard', 'vcf', 'text/vcard; charset=utf-8'],
    ['text/x-vcard', 'vcf', 'text/x-vcard; charset=utf-8'],
    ['text/calendar; method=REQUEST', 'ics', 'text/calendar; charset=utf-8'],
  ])('text is %s where it is called so', async (contentType, extension, type) => {
    expect(await attached(text, { contentType })).toEqual([`attachment-1.${extension}`, type])
  })

  test.each([
    ['not called text', text, 'image/png'],
    ['called something else', text, 'text/javascript'],
    ['a name of an object', text, 'constructor'],
    ['not UTF-8', Buffer.from('Gr\xfc\xdfe', 'latin1'), 'text/plain'],
    ['with a NUL', Buffer.from('a\0b'), 'text/plain'],
    ['HTML', files.html, 'text/plain'],
    ['HTML after a byte order mark and spaces', Buffer.from('\ufeff \r\n<HTML>'), 'text/plain'],
    ['HTML far inside', Buffer.from(`${'x'.repeat(100_000)}<script>`), 'text/vcard'],
    ['a comment', Buffer.from('<!-- -->'), 'text/calendar'],
    ['text that looks like a BMP', Buffer.from('BMW for sale <script>alert(1)</script>'), 'image/bmp'],
    ['a GIF that is a script', Buffer.from('GIF89a/*\n\n*/=1;alert(1)'), 'image/gif'],
    ['half a UTF-16 text', Buffer.from('Hello', 'utf16le'), 'text/plain'],
  ])('%s: nothing but bytes', async (_, content, contentType) => {
    expect(await attached(content, { contentType })).toEqual(['attachment-1.bin', octets])
  })

  test('any bytes behind any beginning end as something', async () => {
    const starts = fc.constantFrom(...Object.values(files).map((file) => file.subarray(0, 16)))
    await fc.assert(
      fc.asyncProperty(starts, fc.uint8Array({ maxLength: 2000 }), fc.string(), async (start, rest, type) => {
        const [, contentType] = await attached(Buffer.concat([start, rest]), { contentType: type })
        expect(contentType).toMatch(
          /^(image|audio|video)\/(?!svg)[a-z0-9.+-]+$|^application\/(pdf|octet-stream)$/,
        )
      }),
      { numRuns: 300 },
    )
  })
})

describe('names', () => {
  const long = 'a'.repeat(300)
  test.each([
    ['photo.jpg', 'photo.jpg'],
    ['PHOTO.JPEG', 'PHOTO.JPEG'],
    ['photo.png', 'photo.jpg'],
    ['photo', 'photo.jpg'],
    ['photo.jpg.exe', 'photo.jpg'],
    ['photo.exe', 'photo.jpg'],
    ['photo.jpg.', 'photo.jpg'],
    ['photo.jpg . .', 'photo.jpg'],
    ['IMG_2026.01.12', 'IMG_2026.01.12.jpg'],
    ['menu v2.final draft', 'menu v2.final draft.jpg'],
    ['../../x.exe', 'x.jpg'],
    ['C:\\Windows\\x.exe', 'x.jpg'],
    ['/etc/passwd', 'passwd.jpg'],
    ['..\\..', 'attachment-1.jpg'],
    ['photo/', 'attachment-1.jpg'],
    ['', 'attachment-1.jpg'],
    [null, 'attachment-1.jpg'],
    ['.', 'attachment-1.jpg'],
    ['.....', 'attachment-1.jpg'],
    ['   ', 'attachment-1.jpg'],
    ['.htaccess', 'htaccess.jpg'],
    ['.jpg', 'jpg.jpg'],
    ['con.txt', '_con.jpg'],
    ['CON', '_CON.jpg'],
    ['nul.tar.gz', '_nul.tar.jpg'],
    ['com1', '_com1.jpg'],
    ['console.jpg', 'console.jpg'],
    ['Büro "1".jpg', 'Büro _1_.jpg'],
    ['a\r\nb\0c.jpg', 'a__b_c.jpg'],
    ['a:b|c?d*e<f>.jpg', 'a_b_c_d_e_f_.jpg'],
    ['\u202egpj.exe', 'gpj.jpg'],
    ['pho\u200bto\u2066\ufeff.jpg', 'photo.jpg'],
    ['half \ud83d.jpg', 'half \ufffd.jpg'],
    ['u\u0308.jpg', 'ü.jpg'],
    ['👨‍👩‍👧‍👦 🌹.jpg', '👨‍👩‍👧‍👦 🌹.jpg'],
    [`${long}.exe`, `${'a'.repeat(59)}….jpg`],
    [`photo.${long}`, `photo.${'a'.repeat(53)}….jpg`],
  ])('%j with the bytes of a JPEG is %j', async (name, expected) => {
    expect((await attached(files.jpeg, { name }))[0]).toBe(expected)
  })

  test.each([
    ['evil.html', files.html, 'evil.html.bin'],
    ['a.svg', files.svg, 'a.svg.bin'],
    ['invoice.pdf.exe', files.exe, 'invoice.pdf.exe.bin'],
    ['photo.jpg', files.exe, 'photo.jpg.bin'],
    ['menu.docx', files.zip, 'menu.docx.bin'],
    ['firmware.bin', files.zip, 'firmware.bin'],
    ['con', files.exe, '_con.bin'],
  ])('%s of no known type is told so by its name', async (name, content, expected) => {
    expect((await attached(content, { name }))[0]).toBe(expected)
  })

  test('the same name twice gets a number, over all messages of a mail', async () => {
    const names = ['photo.jpg', 'Photo.JPG', 'photo (2).jpg', 'photo.png', null]
    const media = names.map((name) => inline(files.jpeg, { name }))
    const all = await enclose([smsEvent({ media }), smsEvent({ media })])
    const given = all.flatMap(({ attachments }) => attachments.map(({ filename }) => filename))
    expect(given.slice(0, 5)).toEqual([
      'photo.jpg',
      'Photo (2).JPG',
      'photo (2) (2).jpg',
      'photo (3).jpg',
      'attachment-5.jpg',
    ])
    expect(new Set(given.map((name) => name.toLowerCase())).size).toBe(10)
  })

  test('any name ends as one that every system can save', async () => {
    const hostile = fc.constantFrom(
      '/',
      '\\',
      '.',
      '..',
      ' ',
      '\0',
      '\r\n',
      '\u202e',
      'con',
      'e\u0301'.repeat(90),
      '😀',
      ':',
      '.exe',
    )
    const names = fc.array(fc.oneof(hostile, fc.string({ unit: 'binary' })), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(names, async (parts) => {
        const [filename] = await attached(files.jpeg, { name: parts.join('') })
        expect(filename).toMatch(
          /^[^/\\<>:"|?*\p{Cc}\p{Cs}. ][^/\\<>:"|?*\p{Cc}\p{Cs}]*\.(jpe?g|jpe|jfif)$/iu,
        )
        expect(filename!.replace(/[\u200c\u200d]/g, '')).not.toMatch(/\p{Cf}/u)
        expect(Buffer.byteLength(filename!)).toBeLessThanOrEqual(255)
        expect(filename).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)\./i)
      }),
      { numRuns: 500 },
    )
  })
})

describe('bytes', () => {
  test('arrive as they were', async () => {
    const { attachments } = await enclosed([inline(files.png)])
    expect(attachments[0]!.content).toEqual(files.png)
  })

  test('base64 with line ends, or of URLs, or damaged at its end is read', async () => {
    const plain = files.png.toString('base64')
    for (const data of [
      plain.replace(/.{20}/g, '$&\r\n'),
      files.png.toString('base64url'),
      `${plain.slice(0, -3)}`,
    ])
      expect(await attached(data)).toEqual(['attachment-1.png', 'image/png'])
  })

  test.each(['', '!!!!', '====', '\0'])('what holds none (%j) is told', async (data) => {
    const { attachments, unreadable } = await enclosed([inline(data, { name: '../x.jpg' }), inline(data)])
    expect(attachments).toEqual([])
    expect(unreadable).toEqual(['x.jpg', 'attachment-2'])
  })

  test('a file without bytes or address is told, one with an address is listed', async () => {
    const url = 'https://x.example/1'
    const { unreadable, links } = await enclosed([
      inline('', { data: null }),
      inline('', { url }),
      linked(url),
    ])
    expect(unreadable).toEqual(['attachment-1'])
    expect(links).toEqual([
      { url, fault: null },
      { url, fault: null },
    ])
  })

  test('the layout of an MMS is left out in silence, but no picture that is called so', async () => {
    const contentType = 'application/smil; charset=utf-8'
    const { attachments, ...rest } = await enclosed([
      inline(files.smil, { contentType }),
      inline('', { contentType }),
      linked('https://x.example/1', { contentType }),
      inline(files.jpeg, { contentType: 'application/smil' }),
    ])
    expect(attachments.map(({ contentType }) => contentType)).toEqual(['image/jpeg'])
    expect(rest).toEqual({ leftOut: [], unreadable: [], links: [] })
  })

  test('as many as fit go along, over all messages of a mail; the rest is named with its size', async () => {
    const sized = (bytes: number, name: string) =>
      inline(Buffer.concat([files.jpeg, Buffer.alloc(bytes - files.jpeg.length)]), { name })
    const half = mostAttachedBytes / 2
    const events = [
      smsEvent({ media: [sized(half, 'a.jpg'), sized(half + 1, 'b.exe'), sized(half - 60, 'c.jpg')] }),
      smsEvent({ media: [sized(61, 'd.jpg'), sized(60, 'e.jpg'), sized(31, 'f.jpg')] }),
    ]
    const all = await enclose(events)
    const names = all.map(({ attachments }) => attachments.map(({ filename }) => filename))
    expect(names).toEqual([['a.jpg', 'c.jpg'], ['e.jpg']])
    expect(all.map(({ leftOut }) => leftOut)).toEqual([
      [{ name: 'b.jpg', bytes: half + 1 }],
      [
        { name: 'd.jpg', bytes: 61 },
        { name: 'f.jpg', bytes: 31 },
      ],
    ])
  })
})
