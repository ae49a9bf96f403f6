// What happens when the service is not there, or is not the service at all.
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import { callRemote, maxAnswerBytes, type Remote } from '../../lib/registration/remote.ts'
import { type Asked, type HttpServer, listen, startHttp } from '../support/http-server.ts'

const secret = 'k3y'
let server: HttpServer | undefined
afterEach(() => server?.close())

const start = async (answer: (asked: Asked, response: ServerResponse) => void): Promise<Remote> => {
  server = await startHttp(answer)
  return { name: 'a service', baseUrl: `${server.url}//`, headers: {}, timeoutMs: 15_000, secrets: [secret] }
}
const isList = (json: unknown): json is unknown[] => Array.isArray(json)
const get = (remote: Remote) => callRemote(remote, { method: 'GET', path: '/webhooks', isAnswer: isList })
const faultOf = (call: Promise<unknown>) => call.then(() => null).catch((error) => error)

describe('callRemote', () => {
  test('asks below the base URL and gives the JSON', async () => {
    const remote = await start((_asked, response) => response.end('[1]'))
    expect(await get(remote)).toEqual([1])
    expect(server!.asked[0]!.path).toBe('/webhooks')
  })

  test.each<[string, (response: ServerResponse) => void]>([
    ['garbage', (response) => response.end('<html>Welcome</html>')],
    ['nothing', (response) => response.end()],
    ['JSON of another service', (response) => response.end('{"users":[]}')],
    ['a page that is not there', (response) => response.writeHead(404).end('<html>')],
    ['a redirect', (response) => response.writeHead(302, { location: '/login' }).end()],
    ['more than any list', (response) => response.end(`["${'x'.repeat(maxAnswerBytes)}"]`)],
  ])('%s', async (_what, answer) => {
    const remote = await start((_asked, response) => answer(response))
    expect(await faultOf(get(remote))).toMatchObject({
      name: 'RegistrationError',
      code: 'registration-unreadable',
      message: expect.stringContaining('is `baseUrl` right?'),
    })
    expect(server!.asked).toHaveLength(1)
  })

  test('an endless answer is left off', async () => {
    let left: Promise<unknown> | undefined
    const remote = await start((_asked, response) => {
      left = once(response, 'close')
      const pour = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        if (!response.destroyed) response.once('drain', pour)
      }
      pour()
    })
    expect(await faultOf(get(remote))).toMatchObject({ code: 'registration-unreadable', status: 200 })
    await left
  })

  test.each([
    [400, 'registration-invalid'],
    [401, 'registration-login'],
    [402, 'registration-limit'],
    [403, 'registration-login'],
    [405, 'registration-unreadable'],
    [409, 'registration-invalid'],
    [422, 'registration-invalid'],
    [429, 'registration-unavailable'],
    [500, 'registration-unavailable'],
    [503, 'registration-unavailable'],
  ])('%i is %s', async (status, code) => {
    const remote = await start((_asked, response) => response.writeHead(status).end('{"message":"no"}'))
    expect(await faultOf(get(remote))).toMatchObject({
      code,
      status,
      message: expect.stringContaining(`answered ${status}, "no"`),
    })
  })

  test('a 2xx to a removal is enough, whatever comes with it', async () => {
    const remote = await start((_asked, response) => response.end('<html>'))
    expect(await callRemote(remote, { method: 'DELETE', path: '/webhooks/a' })).toBeUndefined()
  })

  test('of a URL, nothing is shown that may be its token', async () => {
    const url = 'https://app.example.com/sms/android/SECRET-TOKEN-1?key=SECRET-2'
    const words = 'url: /sms/android/SECRET-TOKEN-1?key=SECRET-2 is wrong, SECRET-TOKEN-1 and SECRET-2 too'
    const answer = JSON.stringify({ message: words })
    const remote = await start((_asked, response) => response.writeHead(422).end(answer))
    const call = callRemote(remote, { method: 'POST', path: '/webhooks', body: {}, secrets: [url] })
    const { message } = await faultOf(call)
    expect(message).toContain('is wrong')
    expect(message).not.toContain('SECRET')
  })

  test('the words of the service are one line, short, and without secrets', async () => {
    const words = {
      message: `${secret} and t0ken\n\u202eof +61412345678 ${'long '.repeat(200)}`,
      url: ['bad'],
    }
    const remote = await start((_asked, response) => response.writeHead(400).end(JSON.stringify(words)))
    const call = callRemote(remote, { method: 'POST', path: '/webhooks', body: {}, secrets: ['t0ken', ''] })
    const { message } = await faultOf(call)
    expect(message).toContain('"*** and *** of ...678 long')
    expect(message.length).toBeLessThan(700)
  })

  test.each<[string, (response: ServerResponse) => void]>([
    ['before', () => {}],
    ['after', (response) => response.flushHeaders()],
  ])('a service that falls silent %s its headers', async (_when, answer) => {
    const remote = await start((_asked, response) => answer(response))
    expect(await faultOf(get({ ...remote, timeoutMs: 50 }))).toMatchObject({
      code: 'registration-unavailable',
      message: expect.stringContaining('did not answer within 50 ms'),
    })
  })

  test('a service that hangs up', async () => {
    const remote = await start((_asked, response) => response.destroy())
    expect(await faultOf(get(remote))).toMatchObject({ code: 'registration-unavailable', status: null })
  })

  test('nobody there', async () => {
    const free = createServer()
    const port = await listen(free)
    await new Promise((resolve) => free.close(resolve))
    const remote = { name: 'a service', headers: {}, timeoutMs: 15_000, secrets: [] }
    expect(await faultOf(get({ ...remote, baseUrl: `http://127.0.0.1:${port}` }))).toMatchObject({
      code: 'registration-unavailable',
      message: expect.stringContaining('could not be reached (ECONNREFUSED)'),
    })
  })
})
