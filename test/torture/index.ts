// Breaks smshook for as long as asked: `npm run torture -- --minutes=10 --seed=1 --scale=5 crash hostile`. Each part is
// tests that are run every day on a small scale, run again and again with other seeds. A line a round, then a table.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const parts = {
  crash: ['test/crash'],
  faults: ['test/faults'],
  webhooks: ['test/outbound/webhook', 'test/outbound/guard'],
  mail: ['test/fallback/smtp-faults', 'test/fallback/flood', 'test/fallback/letter-hostile'],
  clock: ['test/clock'],
  retention: ['test/smshook-retention', 'test/engines/sqlite/erase', 'test/engines/sqlite/plans'],
  hostile: ['test/hostile'],
  floods: ['test/floods'],
  postgres: ['test/postgres/crash', 'test/postgres/outage'],
}
type Part = keyof typeof parts
const names = Object.keys(parts) as Part[]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    /** How many times harder than every day. */
    scale: { type: 'string', default: '3' },
  },
})
const unknown = positionals.find((name) => !names.includes(name as Part))
if (unknown !== undefined) throw new Error(`no part is called ${unknown}; parts: ${names.join(', ')}`)
const wanted = names.filter((name) => positionals.length === 0 || positionals.includes(name))

type Round = { part: Part; seed: number; isGood: boolean; seconds: number; figures: string[] }

const root = join(import.meta.dirname, '../..')
const jest = join(root, 'node_modules/jest/bin/jest.js')
const flags = [
  '--experimental-vm-modules',
  '--wasm-wrapper-tiering-budget=1000000000',
  '--disable-warning=ExperimentalWarning',
]

/** What tests tell: `<part>, TORTURE_SEED=<seed>: <figures>`. */
const told = /^(.+), TORTURE_SEED=\d+: (.+)$/gm

const run = async (part: Part, seed: number): Promise<Round> => {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...flags, jest, ...parts[part], '--maxWorkers=1'], {
    cwd: root,
    env: { ...process.env, TORTURE_SEED: String(seed), TORTURE_SCALE: values.scale },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [code] = await once(child, 'close')
  if (code !== 0) console.log(output)
  const figures = [...output.matchAll(told)]
    .filter(([, who]) => !who!.includes(' cycle '))
    .map(([line]) => line)
  return { part, seed, isGood: code === 0, seconds: (performance.now() - startedAt) / 1_000, figures }
}

const endsAt = performance.now() + Number(values.minutes) * 60_000
const rounds: Round[] = []
for (let number = 0; number === 0 || performance.now() < endsAt; number += 1) {
  for (const part of wanted) {
    const round = await run(part, Number(values.seed) + number * 1_000)
    rounds.push(round)
    const { isGood, seconds, figures, seed } = round
    const verdict = isGood ? 'held' : 'BROKE'
    console.log(`round ${number + 1}, ${part} ${verdict} in ${seconds.toFixed(0)} s, seed ${seed}`)
    for (const line of figures) console.log(`  ${line}`)
  }
}

console.table(
  Object.fromEntries(
    wanted.map((part) => {
      const own = rounds.filter((round) => round.part === part)
      const broke = own.filter(({ isGood }) => !isGood)
      const seconds = Math.round(own.reduce((sum, round) => sum + round.seconds, 0))
      return [
        part,
        {
          rounds: own.length,
          held: own.length - broke.length,
          seconds,
          'seeds that broke it': broke.map(({ seed }) => seed).join(' '),
        },
      ]
    }),
  ),
)
process.exitCode = rounds.every(({ isGood }) => isGood) ? 0 : 1
