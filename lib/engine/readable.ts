// What becomes of stored rows that cannot be read.
import type { Logger } from '../logger.ts'
import { traceOf } from '../trace.ts'

const unreadable =
  'something that is due cannot be read and is passed over, as is all else of that kind from now on'

export type Readable = <Row, One>(rows: readonly Row[], read: (row: Row) => One) => One[]

/** One that cannot be read does not keep the others back. It stays leased, or it would be claimed on and on. */
export const createReadable = (location: string, loggerNow: () => Logger | undefined): Readable => {
  let isTold = false
  return (rows, read) =>
    rows.flatMap((row) => {
      try {
        return [read(row)]
      } catch (error) {
        if (!isTold) loggerNow()?.error({ database: location, ...traceOf(error) }, unreadable)
        isTold = true
        return []
      }
    })
}
