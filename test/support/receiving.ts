// A router by itself in a host app, on either version of Express, and a record of all it handed on.
import type { RequestListener } from 'node:http'
import type { ErrorRequestHandler, RequestHandler } from 'express'
import type { SmsEvent } from '../../lib/event.ts'
import { urlNetworks } from '../../lib/gateways/url-networks.ts'
import {
  createRouter,
  type Rejection,
  type Router,
  type RouterOptions,
  type UnreadableRequest,
} from '../../lib/inbound/router.ts'
import { type Recorder, recorder } from './recorder.ts'
import { type Express, expresses, token } from './shop.ts'

export { type Express, token }

/** For `describe.each`. */
export const versions: [string, Express][] = [
  ['Express 5', expresses[5]],
  ['Express 4', expresses[4]],
]

/** The body of the documented curl line, to the letter. */
export const documentedBody =
  'service_id=YOUR_SERVICE_ID&from=YOUR_FROM_NUMBER&sms_number=YOUR_SMS_NUMBER&body=Test%20Message' +
  '&message_id=297abf7f-99d9-4b7d-9c46-1d7c13687b11&timestamp=1576391654' +
  '&webhook_url=https://youendpoint.com/sms/test&webhook_url_fallback=you@email.com'

export type Receiving = {
  router: Router
  events: SmsEvent[]
  unreadable: { request: UnreadableRequest; reason: string }[]
  rejections: Rejection[]
  logger: Recorder
}

/** With a gateway `pbx` that wants `token`, unless told otherwise. */
export const receiving = (options: Partial<RouterOptions> = {}): Receiving => {
  const record: Omit<Receiving, 'router'> = { events: [], unreadable: [], rejections: [], logger: recorder() }
  const router = createRouter({
    ...('gateway' in options ? {} : { gateways: { pbx: urlNetworks({ token }) } }),
    accept: async (events) => record.events.push(...events),
    quarantine: async (request, reason) => record.unreadable.push({ request, reason }),
    onRejected: (rejection) => record.rejections.push(rejection),
    logger: record.logger,
    ...options,
  })
  return { router, ...record }
}

/** What the host app does with requests that are not for the router: tells all that has reached it. */
const hostEnd: RequestHandler = async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const { method, url } = request
  response.status(404).json({ host: true, method, url, body: Buffer.concat(chunks).toString() })
}

// Four parameters are how Express knows it from other middleware.
const hostError: ErrorRequestHandler = (error, _request, response, _next) => {
  response.status(500).json({ hostError: String(error) })
}

/** A host app with these mounted, in order. */
export const hostApp = (
  express: Express,
  ...mounts: (readonly [path: string, handler: RequestHandler | Router])[]
): RequestListener => {
  const app = express()
  for (const [path, handler] of mounts) app.use(path, handler)
  return app.use(hostEnd, hostError)
}
