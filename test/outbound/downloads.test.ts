// Files fetched from servers that answer, and from those that do not.
import { createDownloads, type Downloads } from '../../lib/outbound/downloads.ts'
import { createGuard } from '../../lib/outbound/guard.ts'
import { type HttpServer, startHttp } from '../support/http-server.ts'
import { manualClock } from '../support/manual-clock.ts'
import { until } from '../support/until.ts'

const clock = manualClock()
let downloads: Downloads
const servers: HttpServer[] = []

beforeEach(() => {
  downloads = createDownloads({ clock, guard: createGuard(['127.0.0.1/32']) })
})
afterEach(async () => {
  await downloads.close()
  await Promise.all(servers.splice(0).map((server) => server.close()))
  // Whatever came of them, the deadline must not be left behind.
  expect(clock.waiting).toBe(0)
})

const start = async (...answer: Parameters<typeof startHttp>) => {
  const server = await startHttp(...answer)
  servers.push(server)
  return server
}
const plenty = 1_000_000

/** What came of them: the text of a file, or the fault. */
const all = async (urls: string[], mostBytes = plenty) =>
  (await downloads.all(urls, mostBytes)).map((one) => ('fault' in one ? one.fault : one.content.toString()))

test('files come in the order of their addresses, with the type that the server says', async () => {
  const server = await start(({ path }, response) => {
    response.writeHead(200, path === '/2' ? {} : { 'content-type': 'image/jpeg' }).end(`file ${path}`)
  })
  const urls = ['/1?a=b%20c#d', '/2', '/3', '/4', '/5'].map((path) => `${server.url}${path}`)
  expect(await downloads.all(urls, plenty)).toEqual(
    ['/1?a=b%20c', '/2', '/3', '/4', '/5'].map((path) => ({
      content: Buffer.from(`file ${path}`),
      contentType: path === '/2' ? '' : 'image/jpeg',
    })),
  )
  expect(new Set(server.asked.map(({ method }) => method))).toEqual(new Set(['GET']))
})

test('nothing is told to the server but our name, credentials neither', async () => {
  const server = await start()
  await all([server.url.replace('//', '//user:secret@')])
  expect(server.asked[0]!.headers).toEqual({
    host: server.url.slice('http://'.length),
    connection: 'keep-alive',
    'user-agent': 'smshook',
    accept: '*/*',
    'accept-encoding': 'identity',
  })
})

test.each([201, 203, 204, 206, 301, 302, 307, 308, 401, 404, 410, 500, 503])(
  '%i is no file, and no other request follows',
  async (status) => {
    const server = await start((_asked, response) => {
      response.writeHead(status, { location: '/elsewhere' }).end(status === 204 ? undefined : 'no file')
    })
    expect(await all([`${server.url}/a`])).toEqual([status])
    expect(server.asked.map(({ path }) => path)).toEqual(['/a'])
  },
)

test('interim answers are not the answer', async () => {
  const server = await start((_asked, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' })
    response.end('file')
  })
  expect(await all([server.url])).toEqual(['file'])
})

test('an address that the guard refuses is not called', async () => {
  const server = await start()
  const strict = createDownloads({ clock, guard: createGuard() })
  const port = new URL(server.url).port
  const hosts = [
    '127.0.0.1',
    'localhost',
    '[::1]',
    '2130706433',
    '0x7f.1',
    '[::ffff:127.0.0.1]',
    '169.254.169.254',
  ]
  const urls = hosts.map((host) => `http://${host}:${port}/`)
  const others = ['file:///etc/passwd', 'ftp://127.0.0.1/a', 'data:text/plain,a', 'nonsense', '']
  const results = await strict.all([...urls, ...others], plenty)
  expect(results).toEqual([
    ...hosts.map(() => ({ fault: 'blocked' })),
    ...others.map((url) => ({ fault: URL.canParse(url) ? 'blocked' : 'network' })),
  ])
  expect(server.connections).toBe(0)
  await strict.close()
})

test('a server that is not there, breaks off or compresses has a fault of its own', async () => {
  const gone = await startHttp()
  await gone.close()
  const server = await start(({ path }, response) => {
    if (path === '/gzip') return response.writeHead(200, { 'content-encoding': 'gzip' }).end('x')
    response.writeHead(200, path === '/short' ? { 'content-length': 10 } : {})
    response.write('half', () => response.destroy())
  })
  const urls = [gone.url, `${server.url}/short`, `${server.url}/chunked`, `${server.url}/gzip`]
  expect(await all(urls)).toEqual(['refused', 'reset', 'reset', 'protocol'])
})

describe('bytes', () => {
  test('the bound is for all together; what does not fit leaves its room to the others', async () => {
    const release = new Map<number, () => void>()
    const server = await start(({ path }, response) => {
      const size = Number(path.slice(1))
      release.set(size, () => response.end('x'.repeat(size)))
    })
    const sizes = [60, 50, 30, 10]
    const fetched = all(
      sizes.map((size) => `${server.url}/${size}`),
      100,
    )
    await until(() => release.size === 3)
    release.get(60)!()
    // Its place was given to the last, so it has come.
    await until(() => release.size === 4)
    for (const size of [50, 30, 10]) release.get(size)!()
    expect(await fetched).toEqual(['x'.repeat(60), 'too-large', 'x'.repeat(30), 'x'.repeat(10)])
  })

  test('exactly as many as may come do, one more does not', async () => {
    const server = await start((_asked, response) => response.end('x'.repeat(100)))
    expect(await all([server.url], 100)).toEqual(['x'.repeat(100)])
    expect(await all([server.url], 99)).toEqual(['too-large'])
    expect(await all([server.url], 0)).toEqual(['too-large'])
  })

  test('a file that announces too much is not read, an endless one is cut', async () => {
    const cut: string[] = []
    const server = await start(({ path }, response) => {
      response.on('close', () => cut.push(path))
      response.writeHead(200, path === '/announced' ? { 'content-length': 2 * plenty } : {})
      const chunk = Buffer.alloc(16 * 1024)
      const more = () => {
        while (path === '/endless' && response.write(chunk));
      }
      response.on('drain', more)
      if (path === '/announced') response.write('x')
      more()
    })
    expect(await all([`${server.url}/announced`, `${server.url}/endless`])).toEqual([
      'too-large',
      'too-large',
    ])
    await until(() => cut.length === 2)
  })
})

describe('time', () => {
  /** Answers nothing, a head, or a byte now and then. */
  const slow = () =>
    start(({ path }, response) => {
      if (path === '/quick') return response.end('file')
      if (path === '/head') response.writeHead(200).flushHeaders()
      if (path === '/drip') response.write('x')
    })

  test('30 s are for all of them; what came before that is kept', async () => {
    const server = await slow()
    const paths = ['/quick', '/silent', '/head', '/drip', '/later']
    const fetched = all(paths.map((path) => `${server.url}${path}`))
    await until(() => server.asked.length === 4)
    await clock.advance(29_999)
    expect(server.asked).toHaveLength(4)
    await clock.advance(1)
    expect(await fetched).toEqual(['file', 'timeout', 'timeout', 'timeout', 'timeout'])
    expect(server.asked.map(({ path }) => path)).not.toContain('/later')
  })

  test('three are under way at once', async () => {
    const waiting: (() => void)[] = []
    const server = await start((_asked, response) => waiting.push(() => response.end('file')))
    const fetched = all(Array.from({ length: 7 }, (_, n) => `${server.url}/${n}`))
    for (let n = 1; n <= 7; n += 1) {
      await until(() => server.asked.length === Math.min(7, n + 2))
      expect(waiting.length).toBeLessThanOrEqual(3)
      waiting.shift()!()
    }
    expect(await fetched).toEqual(Array(7).fill('file'))
  })

  test('closing ends what is under way', async () => {
    const server = await slow()
    const fetched = all([`${server.url}/silent`])
    await until(() => server.asked.length === 1)
    await downloads.close()
    expect(await fetched).toEqual([expect.stringMatching(/^(reset|network)$/)])
  })
})
