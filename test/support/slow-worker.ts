// A worker of the SQLite engine on a slow disk: each commit and each event that is stored takes so much longer. It is
// SQLite that flushes, so that nothing but time can be added from here.
import { StatementSync } from 'node:sqlite'

type Disk = { commitMs: number; eventMs: number }

const pause = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

/** For the worker, before it prepares its statements. */
export const slowDown = ({ commitMs, eventMs }: Disk): void => {
  const { run } = StatementSync.prototype
  StatementSync.prototype.run = function (this: StatementSync, ...given: Parameters<typeof run>) {
    if (this.sourceSQL === 'COMMIT') pause(commitMs)
    if (this.sourceSQL.includes('INSERT INTO events')) pause(eventMs)
    return run.apply(this, given)
  } as typeof run
}

/** To be given to `sqliteOn`. A file cannot be told anything, so it is none. */
export const slowWorker = (disk: Disk): URL => {
  const worker = new URL('../../lib/engines/sqlite/worker.ts', import.meta.url)
  const script = `
    import { slowDown } from '${import.meta.url}'
    slowDown(${JSON.stringify(disk)})
    await import('${worker}')`
  return new URL(`data:text/javascript,${encodeURIComponent(script)}`)
}
