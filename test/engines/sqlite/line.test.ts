// The thread of the SQLite engine: when its file is missing, and when it dies.
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Outcome } from '../../../lib/delivery.ts'
import { sqlite, sqliteOn } from '../../../lib/engines/sqlite.ts'
import { deadly } from '../../support/dying-worker.ts'
import { smsEvent } from '../../support/events.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { recorder } from '../../support/recorder.ts'
import { until } from '../../support/until.ts'
import { attempt, claimOne, owe } from '../conformance/steps.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'smshook-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const root = join(import.meta.dirname, '../../..')

/** Runs a program in the folder and resolves with what it said once it has ended by itself. */
const run = async (program: string): Promise<unknown> => {
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'app.ts'), program)
  const { stdout } = await promisify(execFile)(process.execPath, ['app.ts'], { cwd: folder })
  return JSON.parse(stdout)
}

describe('the line to the database', () => {
  test('without its file the main thread does the work, with one warning', async () => {
    cpSync(join(root, 'lib'), join(folder, 'lib'), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    rmSync(join(folder, 'lib/engines/sqlite/worker.ts'))
    const said = await run(`
      import { systemClock } from './lib/clock.ts'
      import { sqlite } from './lib/engines/sqlite.ts'
      const said: string[] = []
      const logger = { info() {}, error() {}, warn: (_: object, message: string) => said.push(message) }
      const engine = sqlite('sms.db')
      await engine.open({ clock: systemClock, logger })
      await engine.quarantine(
        { gateway: 'pbx', method: 'POST', contentType: '', body: Buffer.from('?'), receivedAt: '' }, 'odd')
      console.log(JSON.stringify([said, (await engine.counts()).quarantined]))`)
    expect(said).toEqual([[expect.stringContaining('worker thread is missing')], 1])
  })

  test.each([
    ['what waits for an answer keeps the process alive', 'console.log((await engine.counts()).events)', 0],
    ['an open engine that does nothing lets it end', "console.log('true')", true],
  ])('%s', async (_, last, answer) => {
    const said = await run(`
      import { systemClock } from '${root}/lib/clock.ts'
      import { sqlite } from '${root}/lib/engines/sqlite.ts'
      import { consoleLogger } from '${root}/lib/logger.ts'
      const engine = sqlite('sms.db')
      await engine.open({ clock: systemClock, logger: consoleLogger })
      ${last}`)
    expect(said).toBe(answer)
  })

  test.each(deadly)('when the thread dies (%s) its calls reject, and it comes back', async (text) => {
    const worker = new URL('../../support/dying-worker.ts', import.meta.url)
    const engine = sqliteOn(worker, join(folder, 'sms.db'))
    const clock = manualClock()
    const logger = recorder()
    await engine.open({ clock, logger })
    const event = await owe(engine)
    const lost = engine.accept([{ event: smsEvent({ text }), endpoints: [] }])
    const next = engine.counts()
    await expect(lost).rejects.toMatchObject({ name: 'EngineError', code: 'engine-failed' })
    await expect(next).rejects.toMatchObject({ code: 'engine-failed' })
    await expect(engine.counts()).rejects.toMatchObject({ code: 'engine-failed' })
    expect(logger.lines).toEqual([expect.objectContaining({ level: 'error' })])
    await until(async () => {
      await clock.advance(1000)
      return engine.counts().then(
        () => true,
        () => false,
      )
    })
    expect((await engine.find(event.id))?.event).toEqual(event)
    expect(logger.lines.map(({ level }) => level)).toEqual(['error', 'warn'])
    await engine.close()
  })

  test.each([
    ['the thread', (path: string) => sqlite(path)],
    ['the main thread', (path: string) => sqliteOn(null, path)],
  ])('a store that is lost on %s is opened again, and told of once a minute', async (_, made) => {
    const path = join(folder, 'sms.db')
    const engine = made(path)
    const clock = manualClock()
    const logger = recorder()
    await engine.open({ clock, logger })
    const event = await owe(engine)
    renameSync(path, `${path}.away`)
    const lost = await Promise.allSettled([owe(engine), engine.counts(), owe(engine)])
    for (const one of lost) expect(one).toMatchObject({ reason: { code: 'engine-damaged' } })
    for (let seconds = 0; seconds < 30; seconds += 1) {
      await clock.advance(1000)
      await expect(owe(engine)).rejects.toMatchObject({ name: 'EngineError', code: 'engine-damaged' })
    }
    renameSync(`${path}.away`, path)
    await until(async () => {
      await clock.advance(1000)
      return engine.find(event.id).then(
        (found) => found !== null,
        () => false,
      )
    })
    const tellings = logger.lines.filter(({ message }) => message.startsWith('the database can'))
    expect(tellings.map(({ level }) => level)).toEqual(['error', 'warn'])
    await engine.close()
  })

  test('what cannot be posted to the thread stops nothing else', async () => {
    const engine = sqlite(join(folder, 'sms.db'))
    await engine.open({ clock: manualClock(), logger: recorder() })
    await owe(engine)
    const { lease } = await claimOne(engine)
    const outcome = { type: 'error', code: 'threw', message: () => {} } as unknown as Outcome
    const settled = engine.settle(lease, attempt(1, { outcome }), { to: 'delivered' })
    await expect(settled).rejects.toMatchObject({ name: 'EngineError', code: 'engine-failed' })
    expect(await engine.settle(lease, attempt(), { to: 'delivered' })).toBe('settled')
    await engine.close()
  })
})
