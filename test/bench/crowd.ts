// What the parts of the bench on PostgreSQL have in common: where it is, and how many processes share it.
import type { ServerCpu } from './server-cpu.ts'

export type PostgresWish = {
  folder: string
  rounds: number
  seconds: number
  url: string
  serverCpu: ServerCpu
  /** A name nobody else uses, so that a server given by DATABASE_URL keeps what it had. */
  schema(): string
}

/** How many processes of ours share the store. */
export const crowds = [1, 2, 4]

/** What cannot be measured here is a dash. */
export const cpuText = (micros: number): string => (Number.isNaN(micros) ? '-' : micros.toFixed(0))

export const titleOf = (count: number): string =>
  `smshook on PostgreSQL, ${count} process${count === 1 ? '' : 'es'}`
