// smshook where pg and pg-boss are not installed: it loads, and postgres() says what to install.
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sharedServer } from '../../support/postgres.ts'

const server = await sharedServer()
const run = promisify(execFile)
const root = join(import.meta.dirname, '../../..')

const schema = server.freshSchema()
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'smshook-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A copy of the sources with all packages at hand but these. */
const install = (without: readonly string[]) => {
  cpSync(join(root, 'lib'), join(folder, 'lib'), { recursive: true })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  mkdirSync(join(folder, 'node_modules'))
  for (const name of readdirSync(join(root, 'node_modules')))
    if (!without.includes(name) && !name.startsWith('.'))
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
}

/** What a program says that opens postgres() there. */
const open = async (url = 'postgres://127.0.0.1:1/none') => {
  const program = `
    const { postgres, OptionsError, smshook, sqlite } = await import(${JSON.stringify(join(folder, 'lib/index.ts'))})
    const sms = smshook({ fallback: false, engine: sqlite(':memory:') })
    await sms.ready
    await sms.close()
    const engine = postgres({ url: ${JSON.stringify(url)}, schema: '${schema.name}' })
    const logger = { info() {}, warn() {}, error() {} }
    const clock = { now: Date.now, sleep: async () => {}, after: () => () => {} }
    const error = await engine.open({ clock, logger }).catch((error) => error)
    console.log(JSON.stringify([error instanceof OptionsError, error.code, error.message]))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { cwd: folder })
  return JSON.parse(stdout)
}

const words = (name: string) =>
  `postgres() needs the packages pg and pg-boss, and ${name} cannot be loaded. Run: npm install pg pg-boss@12`

describe('postgres()', () => {
  test('without pg says what to install, and all else works', async () => {
    install(['pg', 'pg-boss'])
    expect(await open()).toEqual([true, 'options-invalid', words('pg')])
  })

  test('without pg-boss says so as well', async () => {
    install(['pg-boss'])
    expect(await open(server.url)).toEqual([true, 'options-invalid', words('pg-boss')])
    await schema.drop()
  })

  test('with both goes on to the database', async () => {
    install([])
    expect(await open()).toEqual([false, 'engine-unreachable', expect.stringContaining('127.0.0.1:1/none')])
  })
})
