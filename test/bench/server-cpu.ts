// The processor time that the PostgreSQL server takes, as Linux counts it.
import { readdirSync, readFileSync } from 'node:fs'
import { query } from '../support/postgres.ts'

/** Linux counts in hundredths of a second. */
const tickMicros = 10_000

const statOf = (pid: number | string) => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { parent: Number(fields[1]), micros: (Number(fields[11]) + Number(fields[12])) * tickMicros }
}

/** Microseconds since the server's processes of now were started; NaN where that cannot be seen. */
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
    let sum = 0
    for (const name of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
      try {
        const { parent, micros } = statOf(name)
        if (parent === server) sum += micros
      } catch {
        // It ended meanwhile.
      }
    return sum
  }
}
