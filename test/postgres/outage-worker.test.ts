// A process that does nothing but deliver has nothing else to keep it alive when its database goes away.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ownServer } from '../support/postgres.ts'
import { afterwards } from '../support/shop.ts'
import { until } from '../support/until.ts'

const server = await ownServer()
afterAll(() => server.end())

const lib = fileURLToPath(new URL('../../lib/index.ts', import.meta.url))
const program = `
  import { createDispatcher, postgres, systemClock } from ${JSON.stringify(lib)}
  const log = (_details, message) => console.log(message)
  const logger = { info: log, warn: log, error: log }
  const engine = postgres({ url: process.argv[1] })
  await engine.open({ clock: systemClock, logger })
  const dispatcher = createDispatcher({ engine, deliverTo: { app: { handler: () => {} } }, fallback: false, logger })
  dispatcher.start()
  console.log('ready')
  process.once('SIGTERM', async () => {
    await dispatcher.close()
    await engine.close()
  })`

test('it lives until it is closed, and then ends by itself', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, server.url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  afterwards(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk
  })
  const says = (words: string) => until(() => said.includes(words) || child.exitCode !== null)
  await says('ready')
  await server.stop()
  await says('cannot be used')
  await server.start()
  await says('can be used again')
  expect(child.exitCode).toBeNull()
  child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
})
