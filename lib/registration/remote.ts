// One call of a service's own API: bounded in time and in size, and every failure as an error that says who
// must act. What the calls are and what the answers mean lives beside this file.
import { RegistrationError } from '../errors.ts'

/** A hundred webhooks with URLs and keys of 255 characters come to less than a tenth of it. */
export const maxAnswerBytes = 1024 * 1024

export type Remote = {
  /** What messages call it. */
  name: string
  baseUrl: string
  headers: Readonly<Record<string, string>>
  /** One deadline for a whole call: DNS, connect, headers and body. */
  timeoutMs: number
  /** Never shown, not even when the service repeats them. */
  secrets: readonly string[]
}

export type Call<Answer> = {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Appended to the base URL. */
  path: string
  body?: unknown
  /** What this call alone must not show: a URL may end in a token. */
  secrets?: readonly string[]
  /** Whether the JSON of a 2xx answer is the service's. Without it such an answer is not even read. */
  isAnswer?: (json: unknown) => json is Answer
}

/** What `ensure` did. */
export type Ensured<Webhook> = {
  /** Were missing. */
  added: Webhook[]
  /** Were there, but not as wanted; as they are now. */
  changed: Webhook[]
  /** Were there twice, or no longer wanted; as they were. */
  removed: Webhook[]
  /** Were right. */
  kept: Webhook[]
}

/** A secret, and of a URL, which may end in a token, also what a service may repeat of it. */
const hiddenParts = (secret: string): string[] => {
  if (!/^https?:/i.test(secret) || !URL.canParse(secret)) return [secret]
  const { pathname, search, searchParams } = new URL(secret)
  return [secret, pathname + search, pathname.split('/').at(-1)!, ...searchParams.values()]
}

/** One line, without secrets, and without more of a phone number than its last digits. */
const shown = (words: string, secrets: readonly string[]): string =>
  secrets
    .flatMap(hiddenParts)
    .filter((secret) => secret.length > 1)
    .toSorted((a, b) => b.length - a.length)
    .reduce((text, secret) => text.replaceAll(secret, '***'), words)
    .replace(/\+?\d{4,12}(\d{3})/g, '...$1')
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, 500)

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []

/** What is wrong with each field: `{ field: [message] }`, with or without an envelope. */
const fieldWords = (fields: unknown): string[] =>
  Object.entries(isRecord(fields) ? fields : {}).flatMap(([field, messages]) => {
    const words = textsOf(messages)
    return words.length > 0 ? [`${field}: ${words.join(', ')}`] : []
  })

/** The service's own words about a failure; empty when there are none. */
const wordsOf = (answer: unknown): string => {
  if (!isRecord(answer)) return ''
  const message = typeof answer.message === 'string' ? [answer.message] : []
  return [...message, ...fieldWords(answer), ...fieldWords(answer.data)].join('; ')
}

const readJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Null when there is more than an answer can have. */
const readText = async (response: Response): Promise<string | null> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxAnswerBytes) return null // Leaving the loop closes the connection.
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

type Fault = readonly [code: RegistrationError['code'], advice: string]

const faultOf = (status: number): Fault => {
  if (status === 401 || status === 403) return ['registration-login', 'it refuses the login or key']
  if (status === 402) return ['registration-limit', 'the account may have no more webhooks; remove one']
  if (status === 429 || status >= 500) return ['registration-unavailable', 'try again later']
  if (status === 404 || status === 405 || status < 400)
    return ['registration-unreadable', 'is `baseUrl` right?']
  return ['registration-invalid', 'it refuses what was asked']
}

const timedOut = (error: unknown): boolean => (error as { name?: unknown }).name === 'TimeoutError'

const causeCode = (error: unknown): string => {
  const { cause } = error as { cause?: { code?: unknown } }
  return typeof cause?.code === 'string' ? ` (${cause.code})` : ''
}

/** Throws a RegistrationError. A redirect is not followed: it would take the login elsewhere. */
export const callRemote = async <Answer = void>(remote: Remote, call: Call<Answer>): Promise<Answer> => {
  const { method, path, body, isAnswer } = call
  const where = `${remote.name} at ${new URL(remote.baseUrl).host}`
  const fail = ([code, advice]: Fault, what: string, details: { status: number | null; cause?: unknown }) =>
    new RegistrationError(code, `${method} webhooks: ${where} ${what}; ${advice}`, details)

  let status: number | null = null
  let text: string | null = null
  try {
    const response = await fetch(`${remote.baseUrl.replace(/\/+$/, '')}${path}`, {
      method,
      headers: { ...remote.headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      body: body === undefined ? null : JSON.stringify(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(remote.timeoutMs),
    })
    status = response.status
    if (response.ok && !isAnswer) {
      await response.body?.cancel()
      return undefined as Answer
    }
    text = await readText(response)
  } catch (error) {
    const what = timedOut(error)
      ? `did not answer within ${remote.timeoutMs} ms`
      : `could not be reached${causeCode(error)}`
    throw fail(['registration-unavailable', 'try again later, and check `baseUrl`'], what, {
      status,
      cause: error,
    })
  }

  const json = text === null ? undefined : readJson(text)
  if (status < 200 || status > 299) {
    const words = shown(wordsOf(json), [...remote.secrets, ...(call.secrets ?? [])])
    throw fail(faultOf(status), `answered ${status}${words && `, "${words}"`}`, { status })
  }
  if (isAnswer?.(json)) return json
  const what = text === null ? `sent more than ${maxAnswerBytes} bytes` : 'sent what it never sends'
  throw fail(['registration-unreadable', 'is `baseUrl` right?'], what, { status })
}
