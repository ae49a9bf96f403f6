// Requests that no gateway sends: those of the fixtures, damaged in every way, and noise.
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { Fixture } from '../support/fixture.ts'

export type Attack = { method: string; path: string; headers: Record<string, string>; body: Buffer }

/** Names and values that have broken parsers before. */
const nastyNames = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'length',
  '',
  'a[b]',
  'a[]',
]
const nastyTexts = [
  '\u0000',
  '\ud800',
  '\u202e',
  "' OR 1=1 --",
  '<script>alert(1)</script>',
  '{{7*7}}',
  '../../etc/passwd',
  '\r\nX-Injected: 1',
  '%',
  '%zz',
  '9'.repeat(400),
  '1e999',
  '-0',
  'NaN',
  'x'.repeat(5_000),
]

const leaf = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, -1, 1.5, 2 ** 53, 1e308, [], {}, ''),
  fc.constantFrom(...nastyTexts),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.jsonValue({ maxDepth: 3 }),
)

type Change = (value: unknown) => unknown

/** Replaces, removes, renames or adds something, somewhere in a JSON value. */
const inJson = (steps: readonly number[], change: Change, value: unknown): unknown => {
  const [step, ...rest] = steps
  if (step === undefined || typeof value !== 'object' || value === null) return change(value)
  const names = Object.keys(value)
  const name = names[step % Math.max(names.length, 1)]
  if (name === undefined) return change(value)
  const copy = Array.isArray(value) ? [...value] : { ...value }
  Object.assign(copy, { [name]: inJson(rest, change, (value as Record<string, unknown>)[name]) })
  return copy
}

const withName =
  (name: string, item: unknown): Change =>
  (value) => {
    const text = JSON.stringify(typeof value === 'object' && value !== null ? value : { value })
    if (Array.isArray(value)) return [...value, item]
    // As text, since assigning to `__proto__` would do something else.
    return JSON.parse(
      `${text.slice(0, -1)}${text === '{}' ? '' : ','}${JSON.stringify(name)}:${JSON.stringify(item)}}`,
    )
  }

const jsonChange: fc.Arbitrary<Change> = fc.oneof(
  leaf.map(
    (item): Change =>
      () =>
        item,
  ),
  fc.constant<Change>((value) => [value, value]),
  fc.tuple(fc.constantFrom(...nastyNames), leaf).map(([name, item]) => withName(name, item ?? null)),
)

const byteChange = fc.oneof(
  fc.tuple(fc.nat(), fc.uint8Array({ maxLength: 8 })).map(([at, bytes]) => (body: Buffer) => {
    const place = at % (body.length + 1)
    return Buffer.concat([body.subarray(0, place), bytes, body.subarray(place + (at % 3))])
  }),
  fc.nat().map((at) => (body: Buffer) => body.subarray(0, at % (body.length + 1))),
  fc.integer({ min: 1, max: 20_000 }).map((depth) => () => Buffer.from('['.repeat(depth))),
  fc.integer({ min: 1, max: 20_000 }).map((depth) => () => Buffer.from('{"a":'.repeat(depth))),
  fc
    .array(
      fc.tuple(fc.constantFrom('body', 'from', 'message_id', ...nastyNames), fc.constantFrom(...nastyTexts)),
      {
        maxLength: 20,
      },
    )
    .map(
      (pairs) => () =>
        Buffer.from(
          pairs
            .map(([name, value]) => `${name}=${encodeURIComponent(value.replace(/\p{Surrogate}/gu, '?'))}`)
            .join('&'),
        ),
    ),
  fc.uint8Array({ maxLength: 2_000 }).map((bytes) => () => Buffer.from(bytes)),
)

const headers = fc.constantFrom<Record<string, string>>(
  {},
  { 'content-type': 'application/json' },
  { 'content-type': 'application/x-www-form-urlencoded' },
  { 'content-type': 'text/plain; charset=utf-7' },
  { 'content-type': 'application/json; charset=utf-16le' },
  { 'content-type': 'multipart/form-data; boundary=x' },
  { 'content-type': ';;;=' },
  { 'content-encoding': 'gzip' },
  { 'content-encoding': 'br, gzip' },
  { authorization: 'Bearer ..' },
  { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' },
  { authorization: 'Basic !!!' },
  { 'x-signature': 'x', 'x-timestamp': '-1' },
  { signature: 'v1=' },
  { 'x-gwapi-signature': 'a.b.c' },
  { 'x-long': 'y'.repeat(8_000) },
)

const compressed = (attack: Attack): Attack => ({
  ...attack,
  headers: { ...attack.headers, 'content-encoding': 'gzip' },
  body: gzipSync(attack.body),
})

/** A fixture's request, damaged. */
export const attackOn = ({ request }: Fixture): fc.Arbitrary<Attack> => {
  const { method = 'POST', path = '', headers: own = {}, text, base64 } = request
  const body = base64 === undefined ? Buffer.from(text ?? '') : Buffer.from(base64, 'base64')
  const changed = fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .tuple(fc.array(fc.nat(), { maxLength: 5 }), jsonChange)
        .map(([steps, change]) => asJson(body, steps, change)),
    },
    { weight: 2, arbitrary: byteChange.map((change) => change(body)) },
    { weight: 1, arbitrary: fc.constant(body) },
  )
  const query = fc.constantFrom('', '?token=x&token=y', '?a[b]=1&__proto__[x]=2&%', `?${'q=1&'.repeat(500)}`)
  const methods = fc.oneof(
    { weight: 20, arbitrary: fc.constant(method) },
    { weight: 1, arbitrary: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS') },
  )
  const attacks = fc.record({
    method: methods,
    path: query.map((search) => (search === '' ? path : `${path.split('?')[0]}${search}`)),
    headers: headers.map((more) => ({ ...own, ...more })),
    body: changed,
  })
  return fc.oneof({ weight: 9, arbitrary: attacks }, { weight: 1, arbitrary: attacks.map(compressed) })
}

const asJson = (body: Buffer, steps: readonly number[], change: Change): Buffer => {
  try {
    return Buffer.from(JSON.stringify(inJson(steps, change, JSON.parse(String(body)))) ?? 'null')
  } catch {
    return Buffer.from(JSON.stringify(change(String(body))) ?? 'null')
  }
}
