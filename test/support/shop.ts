// A small business with everything around it, all of it real: an Express app with the router at /sms, the
// webhook of its CRM, its mail server and a database file in a folder of its own. Closed after each test.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express5 from 'express'
import { type FallbackOptions, type SmshookOptions, smshook, sqlite, urlNetworks } from '../../lib/index.ts'
import { type Asked, listen, startHttp } from './http-server.ts'
import { recorder } from './recorder.ts'
import { startSmtp } from './smtp.ts'
import { watch } from './watch.ts'

export type Express = typeof express5

/** Under its alias Express 4 brings no types; what is used of it here is the same. */
export const expresses = { 4: createRequire(import.meta.url)('express4') as Express, 5: express5 }

const closing: (() => unknown)[] = []

/** Runs after the test, the last one first. */
export const afterwards = (close: () => unknown): void => {
  closing.push(close)
}

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

export const tempFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'smshook-test-'))
  afterwards(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export const openSmtp = async (options?: Parameters<typeof startSmtp>[0]) => {
  const smtp = await startSmtp(options)
  afterwards(smtp.close)
  return smtp
}

/** Answers with this status, or as `answer` says for the nth post (the first is 1). */
export const openWebhook = async (answer: number | ((n: number, response: ServerResponse) => void) = 200) => {
  let n = 0
  const server = await startHttp((_asked, response) => {
    n += 1
    if (typeof answer === 'function') answer(n, response)
    else response.writeHead(answer).end()
  })
  afterwards(server.close)
  return {
    url: `${server.url}/crm`,
    asked: server.asked,
    forms: () => server.asked.map(({ body }: Asked) => Object.fromEntries(new URLSearchParams(body))),
  }
}

/** Serves what `prepare` mounts; resolves to the URL, without a slash at its end. */
export const openApp = async (prepare: (app: ReturnType<Express>) => void, express = express5) => {
  const app = express()
  prepare(app)
  const server = createServer(app)
  const port = await listen(server)
  afterwards(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${port}`
}

export const token = 'a-long-random-token'

let count = 0

/** The form of the PBX; every one is another message unless `message_id` is given. */
export const pbxForm = (fields: Record<string, string> = {}): URLSearchParams => {
  count += 1
  return new URLSearchParams({
    service_id: 'service-7',
    from: '+61412345678',
    sms_number: '+61298765432',
    body: 'Do you have roses?',
    message_id: `297abf7f-99d9-4b7d-9c46-${String(count).padStart(12, '0')}`,
    timestamp: '1576391654',
    webhook_url: 'https://shop.example.com/sms/pbx',
    webhook_url_fallback: 'pbx-fallback@example.com',
    ...fields,
  })
}

export const post = (url: string, body: string | URLSearchParams = pbxForm(), headers = {}) =>
  fetch(url, {
    method: 'POST',
    body: String(body),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  })

/** Ten tries as they are, in no time. */
export const soon = { delaysMs: [1] }

export type ShopOptions = Omit<Partial<SmshookOptions>, 'fallback'> & {
  fallback?: false | Partial<FallbackOptions>
}
export type Shop = Awaited<ReturnType<typeof openShop>>

/** With a gateway `pbx` and an email to the owner, unless `options` say otherwise. */
export const openShop = async (
  { fallback, ...options }: ShopOptions = {},
  { express = express5, folder = tempFolder() }: { express?: Express; folder?: string } = {},
) => {
  const smtp = await openSmtp()
  const file = join(folder, 'sms.db')
  const logger = recorder()
  const mail = { smtp: smtp.url, from: 'sms@example.com', to: 'owner@example.com', ...fallback }
  const sms = smshook({
    ...('gateway' in options ? {} : { gateways: { pbx: urlNetworks({ token }) } }),
    fallback: fallback === false ? false : mail,
    engine: sqlite(file),
    logger,
    ...options,
  })
  afterwards(() => sms.close())
  const signals = watch(sms.on)
  const origin = await openApp((app) => app.use('/sms', sms.router), express)
  return {
    sms,
    smtp,
    signals,
    logger,
    folder,
    origin,
    /** What the PBX would post, as the PBX would; resolves to the status. */
    text: async (fields?: Record<string, string>) =>
      (await post(`${origin}/sms/pbx/${token}`, pbxForm(fields))).status,
  }
}
