// How much of what could not be parsed is kept, and what tells a request that came before.
import { createHash } from 'node:crypto'
import type { QuarantinedRequest } from '../engine.ts'

export const mostRows = 1000
/** Of all bodies together. */
export const mostBytes = 16 * 2 ** 20

/** SHA-256, 32 bytes. */
export const hashOf = ({ gateway, body }: Pick<QuarantinedRequest, 'gateway' | 'body'>): Buffer =>
  // JSON delimits the name, so that no other gateway and body hash to the same bytes.
  createHash('sha256').update(JSON.stringify(gateway)).update(body).digest()
