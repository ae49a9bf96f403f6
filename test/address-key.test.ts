// Which spellings of an address are one, and what may hold one.
import { addressKey, mayHold } from '../lib/address-key.ts'

test.each([
  ['+61 411 122 233', '61411122233'],
  ['0061411122233', '61411122233'],
  ['(0411) 122-233', '0411122233'],
  ['＋６１４１１', '61411'],
  ['My Shop-24', 'myshop24'],
  ['MYSHOP24', 'myshop24'],
  [' A.B+c@Example.com ', 'a.b+c@example.com'],
  ['Łódź', 'łódź'],
  ['+', ''],
  ['00', ''],
  ['', ''],
])('%j is %j', (raw, key) => expect(addressKey(raw)).toBe(key))

test.each([
  ['from=+61 411-122.233', '61411122233', true],
  ['from=61411122234', '61411122233', false],
  ['code 123 here', '123', true],
  ['number 61411123', '123', false],
  ['from: MY shop', 'myshop', true],
  ['to A.b@example.com', 'a.b@example.com', true],
  ['to ab@example.com', 'a.b@example.com', false],
])('%j and %j: %p', (text, key, expected) => expect(mayHold(text, key)).toBe(expected))
