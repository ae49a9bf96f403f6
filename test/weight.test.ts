// What `npm install smshook` brings along, as the README says it: every package is code that is trusted with messages.
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
type Locked = { dev?: boolean; devOptional?: boolean; optional?: boolean; peer?: boolean }
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, Locked>
}

const brought = Object.entries(packages)
  .filter(([path, { dev, devOptional, optional, peer }]) => path && !(dev || devOptional || optional || peer))
  .map(([path]) => path)

const bytesOf = (folder: string): number =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    // What is nested is a package of its own.
    .filter((name) => !name.includes('node_modules'))
    .map((name) => lstatSync(join(folder, name)))
    .filter((file) => file.isFile())
    .reduce((sum, { size }) => sum + size, 0)

test('the number and the size of what an installation brings are those of the README', () => {
  const bytes = brought.map((path) => bytesOf(join(root, path))).reduce((sum, size) => sum + size, 0)
  const megabytes = Math.round(bytes / 1_000_000)
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  expect(readme).toContain(`It brings ${brought.length} packages, ${megabytes} MB together`)
})

test('none of them runs a script when it is installed', () => {
  const scripts = brought.flatMap((path) => {
    const { scripts = {} } = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8'))
    return ['preinstall', 'install', 'postinstall']
      .filter((name) => name in scripts)
      .map((name) => `${path} ${name}`)
  })
  expect(scripts).toEqual([])
})
