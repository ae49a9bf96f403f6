import { intentOf } from '../lib/intent.ts'

describe('intentOf', () => {
  test.each([
    ...[
      'stop',
      'stopall',
      'stop all',
      'unsubscribe',
      'cancel',
      'end',
      'quit',
      'revoke',
      'opt out',
      'optout',
    ].map((word) => [word, 'stop']),
    ...['start', 'unstop', 'subscribe'].map((word) => [word, 'start']),
    ...['help', 'info'].map((word) => [word, 'help']),
    ['STOP', 'stop'],
    ['Stop.', 'stop'],
    ['  stop!!\r\n', 'stop'],
    ['“Stop”', 'stop'],
    ['STOP   ALL', 'stop'],
    ['opt-out', 'stop'],
    ['\u200eStop\u200f', 'stop'],
    ['stop\u0000', 'stop'],
    ['ＳＴＯＰ', 'stop'],
  ])('%j asks for %s', (text, intent) => {
    expect(intentOf(text)).toBe(intent)
  })

  test.each([
    'stop 12345',
    'please stop',
    'stopping',
    'nonstop',
    '',
    '!!!',
    'stop '.repeat(20),
    'constructor',
  ])('%j asks for nothing', (text) => {
    expect(intentOf(text)).toBeNull()
  })

  test('no text asks for nothing', () => {
    expect(intentOf(null)).toBeNull()
  })
})
