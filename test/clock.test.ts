// The real clock. What takes time here takes none that a test would measure.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { monotonicNow, systemClock } from '../lib/clock.ts'

test('it says the time', () => {
  const before = Date.now()
  const now = systemClock.now()
  expect(now).toBeGreaterThanOrEqual(before)
  expect(now).toBeLessThanOrEqual(Date.now())
  expect(monotonicNow()).toBeLessThanOrEqual(monotonicNow())
})

test('sleep resolves after its time, not before', async () => {
  let isAwake = false
  const slept = systemClock.sleep(20).then(() => {
    isAwake = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(isAwake).toBe(false)
  await slept
})

test('sleep ends at once when it is called off, before or meanwhile, and never rejects', async () => {
  const abort = new AbortController()
  const slept = systemClock.sleep(60_000, abort.signal)
  abort.abort(new Error('called off'))
  await slept
  await systemClock.sleep(60_000, abort.signal)
})

test('after acts once, unless it is cancelled', async () => {
  const acted: string[] = []
  const cancel = systemClock.after(1, () => acted.push('cancelled'))
  cancel()
  await new Promise<void>((resolve) => {
    systemClock.after(2, () => {
      acted.push('kept')
      resolve()
    })
  })
  cancel()
  expect(acted).toEqual(['kept'])
})

describe('in a process of its own', () => {
  const clock = join(import.meta.dirname, '../lib/clock.ts')
  const run = (script: string) =>
    execFileSync(
      process.execPath,
      ['--input-type=module', '-e', `import { systemClock } from '${clock}'; ${script}`],
      {
        encoding: 'utf8',
        timeout: 15_000,
        env: { ...process.env, NODE_OPTIONS: '' },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    ).trim()

  test('after does not keep the process alive', () => {
    expect(run("systemClock.after(3_600_000, () => {}); console.log('end')")).toBe('end')
  })

  test('a wait longer than a timer can be does not end at once', () => {
    // A timer that is too long fires after a millisecond, with a warning on stderr.
    const script = `
      const abort = new AbortController()
      let woke = false
      systemClock.sleep(2 ** 31, abort.signal).then(() => { woke = true })
      systemClock.after(2 ** 40, () => { woke = true })
      setTimeout(() => { console.log(woke); abort.abort() }, 50)`
    expect(run(script)).toBe('false')
  })
})
