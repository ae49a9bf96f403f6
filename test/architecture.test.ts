// The import rules, the ceiling and the forbidden names of the design, read from the sources.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

const root = join(import.meta.dirname, '..')
const lib = join(root, 'lib')

const filesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, folder, name))

type Import = { file: string; name: string; isType: boolean }

const importsOf = (file: string): Import[] =>
  [
    ...readFileSync(file, 'utf8').matchAll(
      /^(?:import|export)\s(?:(type)\s)?(?:[^'"]*?\sfrom\s)?'([^']+)'|import\('([^']+)'\)/gm,
    ),
  ].map(([, type, still, lazy]) => ({ file, name: still ?? lazy!, isType: type !== undefined }))

const sources = filesBelow('lib')
const path = (file: string) => relative(lib, file)
/** Without its comments. */
const codeOf = (file: string) => readFileSync(join(lib, file), 'utf8').replace(/^\s*(\/\/|\/?\*).*$/gm, '')
const isOurs = ({ name }: Import) => name.startsWith('.')
const target = ({ file, name }: Import) => path(resolve(dirname(file), name))
const show = (one: Import) => `${path(one.file)} imports ${isOurs(one) ? target(one) : one.name}`

/** Files that know several rooms: the composition root, its halves and the front door. */
const composition = [
  'index.ts',
  'copy.ts',
  'smshook.ts',
  'dispatcher.ts',
  'deliver.ts',
  'formats.ts',
  'retention.ts',
]
const contracts = ['gateway.ts', 'define-gateway.ts', 'engine.ts']
const isNoun = (file: string) =>
  !file.includes('/') && !composition.includes(file) && !contracts.includes(file)

/** What a file of a room may import of ours. */
const mayImport = (from: string, to: string): boolean => {
  if (composition.includes(from)) return true
  if (isNoun(from)) return isNoun(to)
  if (contracts.includes(from)) return isNoun(to) || (from === 'define-gateway.ts' && to === 'gateway.ts')
  const room = dirname(from)
  if (isNoun(to)) return true
  if (room === 'gateways')
    return /^(define-)?gateway\.ts$/.test(to) || (from === 'gateways/index.ts' && dirname(to) === room)
  // What engines share lives beside their contract: engine.ts and engine/.
  if (room === 'engine') return to === 'engine.ts' || dirname(to) === room
  // An engine may have a room of its own, named after it: sqlite.ts and sqlite/.
  const ownRoom = room === 'engines' ? from.replace('.ts', '') : room
  if (room === 'engines' || dirname(room) === 'engines')
    return to === 'engine.ts' || ['engine', ownRoom].includes(dirname(to))
  if (room === 'inbound') return to === 'gateway.ts' || dirname(to) === room
  if (room === 'registration') return dirname(to) === room
  return contracts.includes(to) || dirname(to) === room
}

const addresses: Record<string, string[]> = {
  zod: ['any'],
  uuid: ['any'],
  leven: ['options.ts'],
  'libphonenumber-js/max': ['phone.ts'],
  nodemailer: ['fallback/mailer.ts'],
  undici: ['outbound/exchange.ts'],
  'file-type': ['fallback/sniff.ts'],
  'p-retry': ['outbound/tries.ts'],
  'jose/jwt/sign': ['signature.ts'],
  'jose/jwt/verify': ['signature.ts'],
  'ipaddr.js': ['outbound/guard.ts'],
  pg: ['engines/postgres/pool.ts'],
  'pg-boss': ['engines/postgres/queue.ts'],
}

describe('architecture', () => {
  const all = sources.flatMap(importsOf)

  test('sources and imports are found at all', () => {
    expect(sources.length).toBeGreaterThan(20)
    expect(all.length).toBeGreaterThan(sources.length)
  })

  test('arrows point down only', () => {
    const wrong = all.filter(isOurs).filter((one) => !mayImport(path(one.file), target(one)))
    expect(wrong.map(show)).toEqual([])
  })

  test('each foreign package has one address', () => {
    const foreign = all.filter((one) => !isOurs(one) && !one.name.startsWith('node:'))
    const wrong = foreign.filter(({ file, name }) => {
      const allowed = addresses[name] ?? []
      return !allowed.includes('any') && !allowed.includes(path(file))
    })
    expect(wrong.map(show)).toEqual([])
  })

  test('express is not imported: the router is a plain function of request and response', () => {
    expect(all.filter(({ name }) => name === 'express').map(show)).toEqual([])
  })

  test('the mail client and what PostgreSQL needs are loaded only when used', () => {
    const optional = ['nodemailer', 'pg', 'pg-boss']
    const eager = all.filter(({ name, isType, file }) => {
      const isLazy = readFileSync(file, 'utf8').includes(`import('${name}')`)
      return optional.includes(name) && !isType && !isLazy
    })
    expect(eager.map(show)).toEqual([])
  })

  test("what engines share loads no foreign package, nor does SQLite's worker", () => {
    const beginnings = sources.map(path).filter((file) => dirname(file) === 'engine')
    const loaded = new Set([...beginnings, 'engines/sqlite/worker.ts'])
    // A set walks through what is added to it meanwhile.
    for (const from of loaded)
      for (const one of all)
        if (path(one.file) === from && !one.isType && isOurs(one)) loaded.add(target(one))
    const foreign = all.filter((one) => loaded.has(path(one.file)) && !one.isType && !isOurs(one))
    expect(loaded.size).toBeGreaterThan(8)
    expect(foreign.filter(({ name }) => !name.startsWith('node:')).map(show)).toEqual([])
  })

  test('below gateways/ and registration/ nobody knows a gateway by its name', () => {
    const names = /urlNetworks|gatewayApi|smsGate|smsPortal|httpSms/
    const wrong = sources
      .map(path)
      .filter((file) => !['gateways', 'registration'].includes(dirname(file)) && !composition.includes(file))
      .filter((file) => names.test(codeOf(file)))
    expect(wrong).toEqual([])
  })

  test('no file is longer than 300 lines', () => {
    const long = [...sources, ...filesBelow('test'), ...filesBelow('examples')]
      .map((file) => [relative(root, file), readFileSync(file, 'utf8').split('\n').length - 1] as const)
      .filter(([, lines]) => lines > 300)
    expect(long).toEqual([])
  })

  test('every file opens by saying what lives there', () => {
    const silent = sources.filter((file) => !readFileSync(file, 'utf8').startsWith('//'))
    expect(silent.map(path)).toEqual([])
  })

  test('no file or export bears a drawer name or a synonym of our nouns', () => {
    const forbidden =
      /(^|[a-z_-])(job|task|hook|provider|driver|manager|service|util|utils|helper|common)(?![a-z])/i
    // The package's own name and the field's term hold a forbidden word.
    const allowed = /smshook|webhook/gi
    const wrong = sources.flatMap((file) => {
      const exported = [
        ...readFileSync(file, 'utf8').matchAll(/^export (?:const|type|class|function) (\w+)/gm),
      ]
      const names = [path(file), ...exported.map(([, name]) => name!)].map((name) =>
        name.replace(allowed, ''),
      )
      const words = names.map((name) => name.replace(/([a-z])([A-Z])/g, '$1-$2'))
      return words.filter((word) => forbidden.test(word)).map((word) => `${path(file)}: ${word}`)
    })
    expect(wrong).toEqual([])
  })
})
