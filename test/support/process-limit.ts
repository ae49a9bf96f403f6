// Makes every write of another process fail, as on a disk that has died, and work again: its limit of file size.
import { execFileSync } from 'node:child_process'

const limit = (pid: number, bytes: string) =>
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`], { stdio: 'ignore' })

export const breakDisk = (pid: number): void => void limit(pid, '0')
export const mendDisk = (pid: number): void => void limit(pid, 'unlimited')

const isThere = (): boolean => {
  try {
    execFileSync('prlimit', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const canBreak = isThere()
if (!canBreak) console.warn('tests with failing writes are skipped: there is no prlimit here')

/** `test` where the limits of a process can be changed, else `test.skip` with the reason printed. */
export const testWithFailingWrites: jest.It = canBreak ? test : test.skip
