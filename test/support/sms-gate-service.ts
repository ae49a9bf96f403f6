// The webhooks API of SMS Gateway for Android, as its cloud and as a phone's own server have it.
import { randomUUID } from 'node:crypto'
import { type Asked, startHttp } from './http-server.ts'
import { type Answer, answerJson, type WebhookService, writesOf } from './webhook-service.ts'

export type SmsGateRow = { id?: string; url?: string; event?: string; deviceId?: string | null }

export const smsGateLogin = { username: 'owner', password: 'open sesame' }
export const smsGateToken = 't0ken'

/** `forgetsDevice`: a phone's own server never says which device a webhook is for. */
export const startSmsGate = async ({ forgetsDevice = false } = {}): Promise<WebhookService<SmsGateRow>> => {
  const rows: SmsGateRow[] = []
  const basic = Buffer.from(`${smsGateLogin.username}:${smsGateLogin.password}`).toString('base64')

  const discard = (id: string): void => {
    const index = rows.findIndex((row) => row.id === id)
    if (index >= 0) rows.splice(index, 1)
  }

  const post = (body: string): Answer => {
    const { id = randomUUID(), url, event, deviceId, ...unknown } = JSON.parse(body)
    const [extra] = Object.keys(unknown)
    if (extra) return { status: 400, body: { message: `unknown field ${extra}` } }
    if (deviceId === 'stranger') return { status: 400, body: { message: `no such device for ${url}` } }
    const row = { id, url, event, ...(deviceId && !forgetsDevice && { deviceId }) }
    discard(id)
    rows.push(row)
    return { status: 201, body: row }
  }

  const answer = ({ method, path, headers, body }: Asked): Answer => {
    if (![`Basic ${basic}`, `Bearer ${smsGateToken}`].includes(headers.authorization ?? ''))
      return { status: 401, body: { message: `no one logs in with ${headers.authorization}` } }
    const [, id] = /^\/webhooks\/([^/]+)$/.exec(path) ?? []
    if (method === 'GET' && path === '/webhooks') return { status: 200, body: rows }
    if (method === 'POST' && path === '/webhooks') return post(body)
    if (method !== 'DELETE' || id === undefined) return { status: 404, body: { message: 'Not Found' } }
    discard(decodeURIComponent(id))
    return { status: 204 }
  }

  const server = await startHttp((asked, response) => answerJson(response, answer(asked)))
  return { url: server.url, rows, writes: () => writesOf(server), close: server.close }
}
