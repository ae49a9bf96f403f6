// The processor time that the PostgreSQL server takes, as Linux counts it.
import { readdirSync, readFileSync } from 'node:fs'
import { query } from '../support/postgres.ts'

/** Linux counts in hundredths of a second. */
const tickMicros = 10_000

const statOf = (pid: number | string) => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const sum = (...at: number[]) => at.reduce((ticks, n) => ticks + Number(fields[n]), 0) * tickMicros
  return { parent: Number(fields[1]), own: sum(11, 12), ofEnded: sum(13, 14) }
}

/** Microseconds of the server and all its processes, those that have ended too; NaN where that cannot be seen. */
export type ServerCpu = () => number

/** `isHere`: the server is on this machine. */
export const serverCpuOf = async (url: string, isHere: boolean): Promise<ServerCpu> => {
  if (!isHere || process.platform !== 'linux') return () => Number.NaN
  const [row] = await query<{ pid: number }>(
    url,
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'",
  )
  const { parent: server } = statOf(row!.pid)
  return () => {
    const { own, ofEnded } = statOf(server)
    let sum = own + ofEnded
    for (const name of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
      try {
        const process = statOf(name)
        if (process.parent === server) sum += process.own
      } catch {
        // It ended meanwhile.
      }
    return sum
  }
}
