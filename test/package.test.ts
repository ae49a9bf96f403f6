// What npm would publish: packed, installed into empty projects beside Express 4 and 5, imported and required.
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { ensureBuilt, root, run } from './support/package.ts'

const folder = mkdtempSync(join(tmpdir(), 'smshook-package-'))
const projects = [4, 5].map((version) => ({ version, project: join(folder, `app-${version}`) }))
const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
let packed: { filename: string; files: { path: string }[] }

beforeAll(async () => {
  await ensureBuilt()
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
  packed = JSON.parse((await run('npm', pack, { cwd: root })).stdout)[0]
  await Promise.all(
    projects.map(async ({ version, project }) => {
      mkdirSync(project)
      writeFileSync(join(project, 'package.json'), '{ "private": true }')
      const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']
      const wanted = [join(folder, packed.filename), `express@${version}`]
      await run('npm', ['install', ...quiet, ...wanted], { cwd: project })
    }),
  )
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a program in a project; resolves to what it printed. */
const runIn = async (project: string, name: string, program: string, node = process.execPath) => {
  writeFileSync(join(project, name), program)
  return run(node, [name], { cwd: project })
}

test('only the build, the README, the licence and package.json are published', () => {
  const others = packed.files
    .map(({ path }) => path)
    .filter((path) => !/^dist\/[\w/-]+(\.d\.ts|\.js)$/.test(path))
  expect(others.sort()).toEqual(['LICENSE', 'README.md', 'package.json'])
  expect(packed.files.map(({ path }) => path)).toContain('dist/engines/sqlite/worker.js')
})

/** Posts one message to itself, which a handler gets, and ends. */
const program = `
const sms = smshook({
  gateways: { pbx: urlNetworks({ token: 'sesame' }) },
  deliverTo: { shop: { handler: ({ text }) => console.log('handled', text) } },
  fallback: false,
  engine: sqlite(process.argv[1] + '.db'),
})
const app = express()
app.use('/sms', sms.router)
const server = app.listen(0, '127.0.0.1', async () => {
  await sms.ready
  const delivered = new Promise((resolve) => sms.on('delivered', resolve))
  const body = new URLSearchParams({ from: '+61412345678', sms_number: '+61298765432', body: 'Roses?', message_id: '1' })
  const answer = await fetch('http://127.0.0.1:' + server.address().port + '/sms/pbx/sesame', { method: 'POST', body })
  console.log('answered', answer.status)
  await delivered
  await sms.close()
  server.close()
  server.closeAllConnections()
})
`

describe.each(projects)('with Express $version', ({ project }) => {
  test.each([
    [
      'import',
      'app.mjs',
      "import express from 'express'\nimport { smshook, sqlite, urlNetworks } from 'smshook'\n",
    ],
    [
      'require',
      'app.cjs',
      "const express = require('express')\nconst { smshook, sqlite, urlNetworks } = require('smshook')\n",
    ],
  ])('a program that says %s takes a message, hands it on and ends', async (_how, name, head) => {
    const { stdout, stderr } = await runIn(project, name, head + program)
    expect(stdout.trim().split('\n').sort()).toEqual(['answered 200', 'handled Roses?'])
    expect(stderr).toBe('')
  })
})

test('importing it loads no database and no mail client, and opens nothing', async () => {
  const look = `
    import { readdirSync } from 'node:fs'
    import { registerHooks } from 'node:module'
    const urls = []
    registerHooks({
      resolve: (name, context, next) => {
        const found = next(name, context)
        urls.push(found.url)
        return found
      },
    })
    // Node opens these when its own node:util is loaded.
    const streams = [process.stdout, process.stderr]
    const state = () => ({
      resources: process.getActiveResourcesInfo().sort(),
      open: process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0,
      files: readdirSync('.').sort(),
      // What zod keeps there is its own.
      globals: Object.getOwnPropertyNames(globalThis).filter((name) => !name.startsWith('__zod')).sort(),
      listeners: process.eventNames().map(String).sort(),
    })
    const before = state()
    await import('smshook')
    console.log(JSON.stringify({ before, after: state(), urls, builtin: process.moduleLoadList }))
  `
  const { stdout } = await runIn(projects[1]!.project, 'look.mjs', look)
  const { before, after, urls, builtin } = JSON.parse(stdout)
  expect(after).toEqual(before)
  const unwanted = /node:sqlite|sqlite\/(store|worker)|\/(nodemailer|express)\//
  expect(urls.filter((url: string) => unwanted.test(url))).toEqual([])
  expect(builtin).not.toContain('NativeModule sqlite')
  // The look finds what is there.
  expect(urls.some((url: string) => url.endsWith('/undici/index.js'))).toBe(true)
})

test("the README's quick start compiles against it under strict", async () => {
  const { project } = projects[1]!
  copyFileSync(join(root, 'examples/quick-start.ts'), join(project, 'quick-start.ts'))
  symlinkSync(join(root, 'node_modules/@types'), join(project, 'node_modules/@types'))
  const settings = ['--noEmit', '--strict', '--module', 'nodenext', '--types', 'node', '--target', 'es2023']
  const { stdout } = await run(join(root, 'node_modules/.bin/tsc'), [...settings, 'quick-start.ts'], {
    cwd: project,
  })
  expect(stdout).toBe('')
})

describe('on a Node that is too old', () => {
  const isOld = (version: string) => {
    const [major = 0, minor = 0] = version.slice(1).split('.').map(Number)
    return major < 22 || (major === 22 && minor < 19)
  }
  const installed = (process.env.PATH ?? '')
    .split(delimiter)
    .map((place) => join(place, 'node'))
    .filter(existsSync)
    .map((node) => ({ node, version: execFileSync(node, ['--version'], { encoding: 'utf8' }).trim() }))
  const old = installed.find(({ version }) => isOld(version))
  if (!old) console.warn('no Node older than 22.19 in PATH: what it would be told is not tested')
  const testIfOld = old ? test : test.skip

  testIfOld.each([
    ['import', 'old.mjs', "import 'smshook'"],
    ['require', 'old.cjs', "require('smshook')"],
  ])('%s says so in one line', async (_how, name, line) => {
    const failure = await runIn(projects[1]!.project, name, line, old!.node).catch((error) => error)
    expect(failure.code).toBe(1)
    expect(failure.stdout).toBe('')
    expect(failure.stderr.trim().split('\n')).toEqual([expect.stringContaining('Node.js 22.19 or later')])
    expect(failure.stderr).toContain(old!.version)
  })

  test('what it says and what npm says are the same', () => {
    const source = readFileSync(join(root, 'lib/node-version.ts'), 'utf8')
    expect(engines.node).toBe('>=22.19')
    expect(source).toContain('const oldest = [22, 19] as const')
  })
})
