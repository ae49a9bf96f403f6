// A request as a gateway sees it, and everything in it that could be a token.
// Whether a token is right is decided in receiver.ts.
import type { IncomingMessage } from 'node:http'
import type { Form, GatewayRequest } from '../gateway.ts'
import { decodeForm, decodeJson, formOf } from './body.ts'
import type { Body } from './read.ts'

/** Where a request came to: the path segment after the gateway, decoded, and the query with its `?`. */
export type Place = { token: string | null; search: string }

/** The last path segment, `?token=`, the password of Basic auth and a header, as far as they are there. */
export const candidatesOf = (
  { headers }: IncomingMessage,
  { token, search }: Place,
  tokenHeader: string | null,
): string[] => {
  const candidates = token === null ? [] : [token]
  if (search !== '') candidates.push(...new URLSearchParams(search).getAll('token'))
  const basic = /^basic +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  if (basic !== undefined) {
    const pair = Buffer.from(basic, 'base64').toString()
    candidates.push(pair.slice(pair.indexOf(':') + 1))
  }
  const custom = tokenHeader === null ? undefined : headers[tokenHeader]
  for (const value of [custom ?? []].flat()) candidates.push(value.replace(/^bearer +/i, ''))
  return candidates
}

const noQuery = new URLSearchParams()

/** Its body is not read before it is asked for, and not twice. */
export const gatewayRequest = (
  { method = '', headers }: IncomingMessage,
  { search }: Place,
  { bytes, parsed }: Body,
  receivedAt: number,
): GatewayRequest => {
  let form: Form | undefined
  let json: { value: unknown } | undefined
  return {
    method,
    receivedAt,
    headers,
    query: search === '' ? noQuery : new URLSearchParams(search),
    search,
    bytes,
    form: () => {
      form ??= bytes ? decodeForm(bytes, headers['content-type']) : formOf(parsed)
      return form
    },
    json: () => {
      json ??= { value: bytes ? decodeJson(bytes) : parsed }
      return json.value
    },
  }
}
