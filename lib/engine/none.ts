// How many there are of each state in an empty store. Written out: importing the lists of states would load zod
// into SQLite's worker, 60 ms and some megabytes.
import type { Counts } from '../engine.ts'

export const noDeliveries: Counts['deliveries'] = {
  pending: 0,
  delivered: 0,
  mailing: 0,
  emailed: 0,
  failed: 0,
  cancelled: 0,
}
export const noMails: Counts['mails'] = { pending: 0, sent: 0, failed: 0 }
