// Files on their whole way: posted by a gateway, stored, and in the email with the message.
import type { ServerResponse } from 'node:http'
import { defineGateway } from '../lib/define-gateway.ts'
import type { Media, SmsEvent } from '../lib/event.ts'
import { mostAttachedBytes } from '../lib/fallback/attachment.ts'
import { files, inline, linked } from './support/files.ts'
import { type Asked, startHttp } from './support/http-server.ts'
import { manualClock } from './support/manual-clock.ts'
import { afterwards, openShop, type ShopOptions } from './support/shop.ts'
import { until } from './support/until.ts'

let count = 0

/** A gateway whose posts are what a draft is made of. */
const camera = () =>
  defineGateway({
    kind: 'camera',
    token: 'sesame',
    maxBytes: 20 * 1024 * 1024,
    parse: (request) => request.json() as SmsEvent,
  })

/** A shop that nobody delivers to, so that every message is mailed at once. */
const openGallery = async (options: ShopOptions = {}) => {
  const shop = await openShop({ gateways: { camera: camera() }, ...options })
  await shop.sms.ready
  const send = async (media: Media[]) => {
    count += 1
    const body = { identity: `mms-${count}`, from: '+61412345678', to: '+61298765432', text: 'Look!', media }
    const headers = { 'content-type': 'application/json' }
    const url = `${shop.origin}/sms/camera/sesame`
    return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).status
  }
  /** What was in the mail that came for these files. */
  const mailed = async (media: Media[]) => {
    expect(await send(media)).toBe(200)
    const { mail, raw } = await shop.smtp.next()
    return { text: mail.text!, raw, attachments: mail.attachments }
  }
  return { ...shop, send, mailed }
}

const openFiles = async (answer: (asked: Asked, response: ServerResponse) => void) => {
  const server = await startHttp(answer)
  afterwards(server.close)
  return server
}

const allowAddresses = ['127.0.0.1/32']
const fetching = { allowAddresses, fallback: { fetchMedia: true } }

test('what came along is stored as it came, and attached as what it is', async () => {
  const { mailed, sms } = await openGallery()
  const media = [
    inline(files.jpeg, { name: '../../photo.jpg.exe', contentType: 'text/html' }),
    inline(files.svg, { name: 'logo.svg', contentType: 'image/svg+xml' }),
    inline(files.smil, { name: 'smil.xml', contentType: 'application/smil' }),
    inline('', { name: 'lost.jpg', contentType: 'image/jpeg' }),
  ]
  const { text, attachments, raw } = await mailed(media)
  expect(attachments.map(({ filename, contentType }) => [filename, contentType])).toEqual([
    ['photo.jpg', 'image/jpeg'],
    ['logo.svg.bin', 'application/octet-stream'],
  ])
  expect(attachments[0]!.content).toEqual(files.jpeg)
  expect(raw.match(/^Content-Disposition: attachment;/gim)).toHaveLength(2)
  expect(text).toContain('Attached: photo.jpg, logo.svg.bin\n')
  expect(text).toContain('A file that could not be read came with it: lost.jpg\n')
  const { items } = await sms.list()
  expect(items[0]!.event.media).toEqual(media)
})

test('what is too large for an email is left out of it, and kept', async () => {
  const { mailed, sms } = await openGallery()
  const film = Buffer.concat([files.mp4, Buffer.alloc(mostAttachedBytes)])
  const { text, attachments } = await mailed([inline(film, { name: 'film.mp4' }), inline(files.png)])
  expect(attachments.map(({ filename }) => filename)).toEqual(['attachment-2.png'])
  expect(text).toContain(
    'an email holds at most 10 MB of files: film.mp4 (10 MB)\nWhat is not attached is kept',
  )
  const { items } = await sms.list()
  expect(items[0]!.event.media[0]!.data).toBe(film.toString('base64'))
})

describe('files known by an address', () => {
  test('are listed and not fetched, unless an option says so', async () => {
    const server = await openFiles((_asked, response) => response.end(files.png))
    const { mailed } = await openGallery({ allowAddresses })
    const { text, attachments } = await mailed([linked(`${server.url}/a.png`)])
    expect(text).toContain(`A file came with it, to be found at ${server.url}/a.png\n`)
    expect(attachments).toEqual([])
    expect(server.connections).toBe(0)
  })

  test('are fetched and attached, once the post was answered', async () => {
    const held: (() => void)[] = []
    const server = await openFiles(({ path }, response) => {
      held.push(() => response.end(path.startsWith('/a') ? files.png : 'BEGIN:VCARD'))
    })
    const { mailed, smtp } = await openGallery(fetching)
    const media = [
      linked(`${server.url}/a/R%C3%B6schen.exe?token=x`, { contentType: 'text/html' }),
      linked(`${server.url}/b`, { name: 'Bob.txt', contentType: 'text/vcard' }),
      inline(files.jpeg),
    ]
    const mail = mailed(media)
    await until(() => held.length === 2)
    // The message was acknowledged, or it would not be mailed; and the mail waits for its files.
    expect(smtp.received).toEqual([])
    for (const release of held) release()
    const { text, attachments } = await mail
    expect(attachments.map(({ filename, contentType }) => [filename, contentType])).toEqual([
      ['attachment-3.jpg', 'image/jpeg'],
      ['Röschen.png', 'image/png'],
      ['Bob.vcf', 'text/vcard'],
    ])
    expect(text).toContain('Attached: attachment-3.jpg, Röschen.png, Bob.vcf\n')
    expect(text).not.toContain(server.url)
  })

  test('at addresses that are not public are refused, and listed', async () => {
    const server = await openFiles((_asked, response) => response.end(files.png))
    const { mailed } = await openGallery({ fallback: { fetchMedia: true } })
    const { text, attachments } = await mailed([linked(`${server.url}/a`), linked('file:///etc/passwd')])
    expect(text).toContain(`could not be attached (address not allowed), to be found at ${server.url}/a\n`)
    expect(text).toContain('A file came with it, to be found at file:///etc/passwd\n')
    expect(attachments).toEqual([])
    expect(server.connections).toBe(0)
  })

  test('that cannot be had are listed with the reason, and the others attached', async () => {
    const server = await openFiles(({ path }, response) => {
      if (path === '/gone') return response.writeHead(404).end('no')
      if (path === '/moved') return response.writeHead(302, { location: '/a' }).end()
      if (path === '/empty') return response.end()
      if (path === '/large') return response.end(Buffer.alloc(mostAttachedBytes))
      response.end(files.png)
    })
    const { mailed } = await openGallery(fetching)
    const paths = ['/gone', '/moved', '/empty', '/large', '/a']
    const media = [...paths.map((path) => linked(`${server.url}${path}`)), inline(files.jpeg)]
    const { text, attachments } = await mailed(media)
    const reasons = ['answered 404', 'answered 302', 'the file is empty', 'too large for an email']
    for (const [index, reason] of reasons.entries())
      expect(text).toContain(
        `could not be attached (${reason}), to be found at ${server.url}${paths[index]}\n`,
      )
    expect(attachments.map(({ filename }) => filename)).toEqual(['attachment-6.jpg', 'a.png'])
    expect(server.asked.map(({ path }) => path).sort()).toEqual([...paths].sort())
  })

  test('are ten for each message at the most', async () => {
    const server = await openFiles((_asked, response) => response.end(files.png))
    const { mailed } = await openGallery(fetching)
    const { text, attachments } = await mailed(
      Array.from({ length: 12 }, (_, n) => linked(`${server.url}/${n + 1}`)),
    )
    expect(attachments).toHaveLength(10)
    expect(text.match(/A file came with it, to be found at .*/g)).toEqual([
      `A file came with it, to be found at ${server.url}/11`,
      `A file came with it, to be found at ${server.url}/12`,
    ])
    expect(server.asked).toHaveLength(10)
  })

  test('that never come hold the mail up for half a minute, and no longer', async () => {
    const clock = manualClock()
    const server = await openFiles(({ path }, response) => {
      if (path === '/a') response.end(files.png)
      else response.write('x')
    })
    const { send, smtp } = await openGallery({ ...fetching, clock })
    const paths = ['/a', '/slow', '/slow/2', '/slow/3']
    expect(await send(paths.map((path) => linked(`${server.url}${path}`)))).toBe(200)
    // Three are under way at once, so the first has come.
    await until(() => server.asked.length === 4)
    await clock.advance(29_999)
    expect(smtp.received).toEqual([])
    await clock.advance(1)
    const { mail } = await smtp.next()
    expect(mail.text).toContain(`(no answer in time), to be found at ${server.url}/slow\n`)
    expect(mail.attachments.map(({ filename }) => filename)).toEqual(['a.png'])
  })
})
