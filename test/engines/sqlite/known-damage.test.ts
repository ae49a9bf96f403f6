// A damaged file is looked through once for each state that it is in.
import { appendFileSync, copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKnownDamage } from '../../../lib/engines/sqlite/known-damage.ts'
import { EngineError } from '../../../lib/errors.ts'

let folder: string
let path: string
let looks = 0

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'smshook-'))
  path = join(folder, 'sms.db')
  writeFileSync(path, 'database')
  looks = 0
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const looksAfter = async (error: Error, ...changes: (() => void)[]): Promise<number[]> => {
  const { unlessKnown } = createKnownDamage()
  const open = async () => {
    looks += 1
    throw error
  }
  const counts: number[] = []
  for (const change of changes) {
    change()
    await expect(unlessKnown(path, open)).rejects.toBe(error)
    counts.push(looks)
  }
  return counts
}
const nothing = () => {}

test('damage is not looked for again until one of the files differs', async () => {
  const replace = () => {
    copyFileSync(path, `${path}.copy`)
    renameSync(`${path}.copy`, path)
  }
  const write = () => appendFileSync(path, 'x')
  const log = () => writeFileSync(`${path}-wal`, '')
  const dropLog = () => rmSync(`${path}-wal`)
  const damage = new EngineError('engine-damaged', 'It is damaged.')
  const changes = [nothing, nothing, replace, nothing, write, nothing, log, dropLog, nothing]
  expect(await looksAfter(damage, ...changes)).toEqual([1, 1, 2, 2, 3, 3, 4, 5, 5])
})

test('anything else is tried again each time', async () => {
  expect(await looksAfter(new EngineError('engine-busy', 'It is locked.'), nothing, nothing)).toEqual([1, 2])
})
