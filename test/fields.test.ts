import { fieldsOf, listOf, numberOf, textOf, wordOf } from '../lib/fields.ts'

test('the fields of an object, and none of anything else', () => {
  const object = { a: 1 }
  expect(fieldsOf(object)).toBe(object)
  for (const value of [null, undefined, 'text', 7, [1], true]) expect(fieldsOf(value)).toEqual({})
  expect(textOf(fieldsOf({}).constructor)).toBeNull()
})

test('the items of a list, and none of anything else', () => {
  expect(listOf([1, 2])).toEqual([1, 2])
  for (const value of [null, undefined, 'text', { length: 3 }]) expect(listOf(value)).toEqual([])
})

test.each([
  ['text', 'text', 'text', null],
  [' 12 ', ' 12 ', '12', 12],
  ['', '', null, null],
  [' ', ' ', null, null],
  [0, '0', '0', 0],
  [4_500_000_000, '4500000000', '4500000000', 4_500_000_000],
  [-1.5, '-1.5', '-1.5', -1.5],
  [Number.NaN, null, null, null],
  ['1e400', '1e400', '1e400', null],
  [null, null, null, null],
  [undefined, null, null, null],
  [true, null, null, null],
  [['1'], null, null, null],
  [{ toString: () => '1' }, null, null, null],
])('%p is the text %j, the word %j and the number %j', (value, text, word, number) => {
  expect([textOf(value), wordOf(value), numberOf(value)]).toEqual([text, word, number])
})
