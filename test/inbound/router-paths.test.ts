// Which requests are the router's and which go on to the host app.
import request from 'supertest'
import { urlNetworks } from '../../lib/gateways/url-networks.ts'
import { documentedBody, hostApp, receiving, token, versions } from '../support/receiving.ts'

const open = () => urlNetworks({ allowUnauthenticated: true })
const other = urlNetworks({ token: 'another-token' })

describe.each(versions)('paths on %s', (_name, express) => {
  describe.each(['/', '/sms', '/a/b'])('mounted at %s', (mount) => {
    const base = mount === '/' ? '' : mount
    const post = (app: Parameters<typeof request>[0], path: string) =>
      request(app).post(path).send(documentedBody)

    test('each of several gateways is at its name, with and without a slash at the end', async () => {
      const { router, events } = receiving({ gateways: { pbx: urlNetworks({ token }), second: other } })
      const app = hostApp(express, [mount, router])
      await post(app, `${base}/pbx/${token}`).expect(200, '')
      await post(app, `${base}/pbx/${token}/`).expect(200)
      await post(app, `${base}/pbx?token=${token}`).expect(200)
      await post(app, `${base}/pbx/?token=${token}`).expect(200)
      await post(app, `${base}/second/another-token`).expect(200)
      expect(events.map(({ gateway }) => gateway)).toEqual(['pbx', 'pbx', 'pbx', 'pbx', 'second'])
    })

    test('a single gateway is at the mount path itself', async () => {
      const { router, events } = receiving({ gateway: urlNetworks({ token }) })
      const app = hostApp(express, [mount, router])
      await post(app, `${base}/${token}`).expect(200, '')
      await post(app, `${base}/${token}/`).expect(200)
      await post(app, `${base || '/'}?token=${token}`).expect(200)
      await post(app, `${base}/?token=${token}`).expect(200)
      expect(events).toHaveLength(4)
      expect(events[0]?.gateway).toBe('urlNetworks')
    })

    test('a gateway without a token takes no segment after it', async () => {
      const { router, events } = receiving({ gateway: open() })
      const app = hostApp(express, [mount, router])
      await post(app, base || '/').expect(200)
      const { body } = await post(app, `${base}/more`).expect(404)
      expect(body.host).toBe(true)
      expect(events).toHaveLength(1)
      const named = hostApp(express, [mount, receiving({ gateways: { pbx: open() } }).router])
      await post(named, `${base}/pbx`).expect(200)
      await post(named, `${base}/pbx/more`).expect(404)
    })

    test.each(['POST', 'GET', 'PUT', 'DELETE', 'OPTIONS'])(
      '%s of an unknown path goes on untouched',
      async (method) => {
        const { router, events, rejections } = receiving()
        const app = hostApp(express, [mount, router])
        const sent = method === 'GET' ? '' : documentedBody
        for (const path of [
          '',
          '/',
          '/unknown',
          `/pbx/${token}/more`,

          '/PBX',
          '/pbx%2f',
          '/constructor',
        ]) {
          if (base + path === '') continue
          const { body } = await request(app)
            [method.toLowerCase() as 'post'](`${base}${path}?a=1`)
            .send(sent)
            .expect(404)
          expect(body).toEqual({ host: true, method, url: `${base}${path}?a=1`, body: sent })
        }
        expect([events, rejections]).toEqual([[], []])
      },
    )

    test('inside another Router', async () => {
      const { router, events } = receiving()
      const outer = express.Router()
      outer.use('/inner', router as never)
      await post(hostApp(express, [mount, outer]), `${base}/inner/pbx/${token}`).expect(200)
      expect(events).toHaveLength(1)
    })

    test.each(['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('%s of a gateway is 405', async (method) => {
      const { router, events } = receiving({ gateways: { pbx: open() } })
      const app = hostApp(express, [mount, router])
      const answer = await request(app)[method.toLowerCase() as 'put'](`${base}/pbx`).expect(405)
      expect(answer.headers.allow).toBe('POST')
      expect(answer.text).toBe('method-not-allowed')
      expect(events).toEqual([])
    })

    test('HEAD of a gateway is 405 and stores nothing', async () => {
      const { router, events } = receiving()
      const answer = await request(hostApp(express, [mount, router]))
        .head(`${base}/pbx/${token}`)
        .expect(405)
      expect(answer.headers.allow).toBe('POST')
      expect(events).toEqual([])
    })
  })

  test('names that objects have by birth are unknown paths', async () => {
    const { router } = receiving()
    const app = hostApp(express, ['/sms', router])
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty'])
      await request(app).post(`/sms/${name}/${token}`).send(documentedBody).expect(404)
  })

  test('escapes in a path are undone, and broken ones break nothing', async () => {
    const spaced = 'a token/with ünusual%letters'
    const { router, events } = receiving({ gateways: { pbx: urlNetworks({ token: spaced }) } })
    const app = hostApp(express, ['/sms', router])
    await request(app)
      .post(`/sms/%70bx/${encodeURIComponent(spaced)}`)
      .send(documentedBody)
      .expect(200)
    await request(app).post(`/sms/pbx/${'%E0%A4'}`).send(documentedBody).expect(401)
    await request(app).post('/sms/%zz').send(documentedBody).expect(404)
    expect(events).toHaveLength(1)
  })

  test('a single gateway leaves the paths beside its token to the host app', async () => {
    const { router, rejections } = receiving({ gateway: urlNetworks({ token }) })
    const atRoot = hostApp(express, ['/', router])
    await request(atRoot).post('/login').send(documentedBody).expect(404)
    await request(atRoot).get('/about').expect(404)
    await request(atRoot).get(`/${token}`).expect(405)
    const below = hostApp(express, ['/sms', router])
    await request(below).get('/sms/history').expect(404)
    expect(rejections).toEqual([])
    // Below a path of its own, a post can hardly be meant for anybody else.
    await request(below).post('/sms/guess').send(documentedBody).expect(401)
  })

  test('two routers in one app do not know of each other', async () => {
    const first = receiving()
    const second = receiving({ gateways: { other } })
    const app = hostApp(express, ['/sms', first.router], ['/sms', second.router])
    await request(app).post('/sms/other/another-token').send(documentedBody).expect(200)
    expect([first.events.length, second.events.length]).toEqual([0, 1])
  })
})
