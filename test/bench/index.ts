// The benches, one command: `npm run bench`, or `npm run bench -- accepting --rounds=5 --seconds=3`.
// Parts: accepting, delivering, memory, parked, postgres. Each prints ratios that were measured in the same run.
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchAccepting } from './accepting.ts'
import { benchDelivering } from './delivering.ts'
import { benchMemory } from './memory.ts'
import { benchParked } from './parked.ts'
import { benchPostgres } from './postgres.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    /** Where the databases are made: a disk like the one they would be on. */
    folder: { type: 'string', default: tmpdir() },
  },
})

const parts = {
  accepting: benchAccepting,
  delivering: benchDelivering,
  memory: benchMemory,
  parked: benchParked,
  postgres: benchPostgres,
}
type Part = keyof typeof parts
const names = Object.keys(parts) as Part[]
const unknown = positionals.find((name) => !names.includes(name as Part))
if (unknown !== undefined) throw new Error(`no part is called ${unknown}; parts: ${names.join(', ')}`)

const folder = mkdtempSync(join(values.folder, 'smshook-bench-'))
const wish = { folder, rounds: Number(values.rounds), seconds: Number(values.seconds) }
console.log(`Node ${process.version}, ${cpus().length} cores, databases in ${folder}`)
try {
  for (const name of names)
    if (positionals.length === 0 || positionals.includes(name)) await parts[name](wish)
} finally {
  rmSync(folder, { recursive: true })
}
