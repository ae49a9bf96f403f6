// The webhooks API of httpSMS, its quirks included.
import { randomUUID } from 'node:crypto'
import { type Asked, startHttp } from './http-server.ts'
import { type Answer, answerJson, type WebhookService, writesOf } from './webhook-service.ts'

export type HttpSmsRow = {
  id?: string
  url?: string
  signing_key?: string
  events?: string[] | null
  phone_numbers?: string[] | null
}

export const httpSmsKey = 'key-of-the-account'

/** It fails over a webhook with this id. */
export const brokenId = 'broken'

const mostWebhooks = 10
const ownNumbers = ['+61412345678', '+61498765432']

const envelope = (status: number, data: unknown, message = 'ok'): Answer => ({
  status,
  body: { data, message, status: status < 400 ? 'success' : 'error' },
})

/** `hidesKey`: the list does not show what posts are signed with. */
export const startHttpSms = async ({ hidesKey = false } = {}): Promise<WebhookService<HttpSmsRow>> => {
  const rows: HttpSmsRow[] = []
  const show = ({ signing_key, ...row }: HttpSmsRow) => ({
    ...row,
    user_id: 'someone',
    ...(!hidesKey && { signing_key }),
  })

  const write = (id: string | null, body: string): Answer => {
    const { url, signing_key = '', events, phone_numbers } = JSON.parse(body)
    const stranger = phone_numbers.find((number: string) => !ownNumbers.includes(number))
    if (stranger) {
      const from = [`The phone number [${stranger}] is not available for ${url} with ${signing_key}`]
      return envelope(422, { from }, 'validation errors')
    }
    const index = id === null ? rows.length : rows.findIndex((row) => row.id === id)
    if (index < 0) return envelope(500, null, 'We ran into an internal error')
    if (index >= mostWebhooks) return envelope(402, null, 'You may have 10 webhooks')
    rows[index] = { id: id ?? randomUUID(), url, signing_key, events, phone_numbers }
    return envelope(id === null ? 201 : 200, show(rows[index]))
  }

  const answer = ({ method, path, headers, body }: Asked): Answer => {
    if (headers['x-api-key'] !== httpSmsKey)
      return envelope(401, `not a key: ${headers['x-api-key']}`, 'You are not authorized')
    const { pathname, searchParams } = new URL(path, 'http://service')
    if (method === 'GET' && pathname === '/v1/webhooks') {
      const limit = Number(searchParams.get('limit') ?? 1)
      return envelope(200, rows.length === 0 ? null : rows.slice(0, limit).map(show))
    }
    if (method === 'POST' && pathname === '/v1/webhooks') return write(null, body)
    const [, encoded] = /^\/v1\/webhooks\/([^/]+)$/.exec(pathname) ?? []
    if (encoded === undefined) return envelope(404, null, 'Not Found')
    const id = decodeURIComponent(encoded)
    if (method === 'PUT') return write(id, body)
    const index = rows.findIndex((row) => row.id === id)
    if (index < 0 || id === brokenId) return envelope(500, null, 'We ran into an internal error')
    rows.splice(index, 1)
    return envelope(200, null)
  }

  const server = await startHttp((asked, response) => answerJson(response, answer(asked)))
  return { url: server.url, rows, writes: () => writesOf(server), close: server.close }
}
