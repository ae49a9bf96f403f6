// The package as it is built, and as it comes out of npm.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { until } from './until.ts'

export const root = join(import.meta.dirname, '../..')
export const run = promisify(execFile)

const newest = (folder: string): number =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(folder, name)))
    .filter((stat) => stat.isFile())
    .reduce((latest, { mtimeMs }) => Math.max(latest, mtimeMs), 0)

const isBuilt = (): boolean => {
  const built = join(root, 'dist/index.js')
  return existsSync(built) && statSync(built).mtimeMs > newest(join(root, 'lib'))
}

const lock = join(root, 'node_modules/.smshook-build')

const unlock = () => rmSync(lock, { recursive: true, force: true })

/** `npm test` has built; whoever runs one test after a change has not. One test file builds, the others wait. */
export const ensureBuilt = async (): Promise<void> => {
  if (isBuilt()) return
  try {
    mkdirSync(lock)
  } catch {
    return until(isBuilt, 60_000).finally(unlock)
  }
  try {
    await run('npm', ['run', '--silent', 'build'], { cwd: root })
  } finally {
    unlock()
  }
}
