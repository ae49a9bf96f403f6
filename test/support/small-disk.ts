// A disk of a few megabytes that a test may fill and free. It is mounted, which takes root; where that is not
// allowed there is none, and the test says so.
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterwards } from './shop.ts'

export type SmallDisk = {
  folder: string
  /** Takes all the space there is, but for so many bytes. */
  fill(left?: number): void
  free(): void
}

const isMounted = (folder: string, megabytes: number): boolean => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Null where it cannot be had. Unmounted after the test. */
export const smallDisk = (megabytes: number): SmallDisk | null => {
  const folder = mkdtempSync(join(tmpdir(), 'smshook-disk-'))
  afterwards(() => rmSync(folder, { recursive: true, force: true }))
  if (!isMounted(folder, megabytes)) return null
  // Whatever is still open there goes when it is closed.
  afterwards(() => execFileSync('umount', ['--lazy', folder]))
  const ballast = join(folder, 'ballast')
  mkdirSync(join(folder, 'data'))
  return {
    folder: join(folder, 'data'),
    fill(left = 0) {
      let bytes = 0
      for (let size = 2 ** 20; size >= 4096; )
        try {
          appendFileSync(ballast, Buffer.alloc(size, 1))
          bytes += size
        } catch {
          truncateSync(ballast, bytes)
          size /= 2
        }
      truncateSync(ballast, Math.max(0, bytes - left))
    },
    free: () => rmSync(ballast),
  }
}

const probe = (): boolean => {
  const folder = mkdtempSync(join(tmpdir(), 'smshook-disk-'))
  const wasMounted = isMounted(folder, 1)
  if (wasMounted) execFileSync('umount', [folder])
  rmSync(folder, { recursive: true })
  return wasMounted
}

const isAllowed = probe()
if (!isAllowed) console.warn('tests on a small disk are skipped: this user may not mount one')

/** `test` where a disk can be mounted, else `test.skip` with the reason printed. */
export const testOnSmallDisk: jest.It = isAllowed ? test : test.skip
