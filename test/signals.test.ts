// Watching: listeners hear what is emitted, in order, and cannot harm anybody.
import type { Signals } from '../lib/signals.ts'
import { createSignals } from '../lib/signals.ts'
import { smsEvent } from './support/events.ts'
import { recorder } from './support/recorder.ts'

const alert: Signals['alert'] = { code: 'login', message: 'the mail server refused the login' }

test('every listener of a name hears it, in the order they came, and nobody else does', () => {
  const { on, emit } = createSignals(recorder())
  const heard: string[] = []
  on('alert', ({ code }) => heard.push(`first ${code}`))
  on('alert', ({ code }) => heard.push(`second ${code}`))
  on('repeat', () => heard.push('repeat'))
  emit('alert', alert)
  expect(heard).toEqual(['first login', 'second login'])
  emit('repeat', { event: smsEvent() })
  expect(heard.slice(2)).toEqual(['repeat'])
})

test('a listener is removed by what `on` returned, and only that one', () => {
  const { on, emit } = createSignals(recorder())
  const heard: string[] = []
  const stop = on('alert', () => heard.push('first'))
  on('alert', () => heard.push('second'))
  stop()
  stop()
  emit('alert', alert)
  expect(heard).toEqual(['second'])
})

test('a listener may remove itself while it listens', () => {
  const { on, emit } = createSignals(recorder())
  const heard: string[] = []
  const stop = on('alert', () => {
    heard.push('once')
    stop()
  })
  on('alert', () => heard.push('always'))
  emit('alert', alert)
  emit('alert', alert)
  expect(heard).toEqual(['once', 'always', 'always'])
})

test.each([
  ['an error', new Error('text of a message: +61412345678')],
  ['null', null],
])('a listener that throws %s is logged without what it said, and the next one hears', (_name, thrown) => {
  const logger = recorder()
  const { on, emit } = createSignals(logger)
  const heard: string[] = []
  on('alert', () => {
    throw thrown
  })
  on('alert', () => heard.push('next'))
  emit('alert', alert)
  expect(heard).toEqual(['next'])
  expect(logger.lines).toMatchObject([{ level: 'error', details: { signal: 'alert' } }])
  expect(JSON.stringify(logger.lines)).not.toContain('61412345678')
})

test('a listener whose promise rejects is logged too, and does not end the process', async () => {
  const logger = recorder()
  const { on, emit } = createSignals(logger)
  on('alert', async () => {
    throw new Error('rejected')
  })
  emit('alert', alert)
  await new Promise((resolve) => setImmediate(resolve))
  expect(logger.lines).toMatchObject([{ level: 'error', details: { signal: 'alert', error: 'Error' } }])
})
