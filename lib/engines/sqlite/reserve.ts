// Disk space for the day when the disk is full: a file beside the database that is given back to the disk piece
// by piece, so that tries and emails are still recorded. New messages are taken only while it is whole.
import { randomBytes } from 'node:crypto'
import { appendFileSync, statfsSync, statSync, truncateSync } from 'node:fs'
import { dirname } from 'node:path'
import { monotonicNow } from '../../clock.ts'
import { failureOf } from './errors.ts'

/** As much as the log holds between two checkpoints, all of which the database may have to take in. */
export const reserveBytes = 16 * 2 ** 20
/** Whoever fills the disk may take what is given back, so that it is given back in pieces. */
const pieceBytes = 2 ** 20
/** How often it is tried to fill it up again. */
const refillMs = 1000

// Some file systems keep no space for zeros, and little for what can be compressed.
const piece = randomBytes(pieceBytes)

export type Reserve = {
  /**
   * False while the disk is nearly full: less is free than the reserve has itself. That much is left for writing
   * the log to the file, before others take it. Fills the reserve up when there is twice the space that it needs.
   */
  isWhole(): boolean
  /** Gives a piece back to the disk; false when there is nothing left. */
  give(): boolean
  /** Whether the disk takes no more, be it for want of space or because of a quota. */
  isDiskFull(): boolean
}

const isForSpace = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes(failureOf(error).code ?? '')

/** Whether the disk of a file has so much to spare; true where the file system does not tell. */
export const hasSpace = (path: string, bytes: number): boolean => {
  try {
    const { blocks, bavail, bsize } = statfsSync(dirname(path))
    return blocks === 0 || bavail * bsize >= bytes
  } catch {
    return true
  }
}

export const createReserve = (path: string): Reserve => {
  let triedAt = Number.NEGATIVE_INFINITY
  let wasFilled = false

  const size = (): number => {
    try {
      return statSync(path).size
    } catch {
      return 0
    }
  }

  const grow = () => appendFileSync(path, piece, { mode: 0o600 })

  const cut = (bytes: number): boolean => {
    try {
      truncateSync(path, bytes)
      return true
    } catch {
      return false
    }
  }

  /** True unless there is no space: whatever else is wrong with the reserve must not stop what is taken. */
  const fill = (from: number): boolean => {
    try {
      // With less to spare, the first message would take it away again.
      if (!hasSpace(path, 2 * reserveBytes - from)) return false
      for (let at = from; at < reserveBytes; at += pieceBytes) grow()
      return true
    } catch (error) {
      if (!isForSpace(error)) return true
      cut(from)
      return false
    }
  }

  return {
    isWhole() {
      const bytes = size()
      if (bytes >= reserveBytes) return hasSpace(path, reserveBytes)
      if (monotonicNow() - triedAt >= refillMs) {
        triedAt = monotonicNow()
        wasFilled = fill(bytes)
      }
      return wasFilled
    },
    give() {
      const bytes = size()
      wasFilled = false
      return bytes > 0 && cut(Math.max(0, bytes - pieceBytes))
    },
    isDiskFull() {
      const bytes = size()
      try {
        grow()
        return false
      } catch (error) {
        return isForSpace(error)
      } finally {
        cut(bytes)
      }
    },
  }
}
