// The SQL of what is left of an event that is gone: a keyed hash, by which its repeat is known.
import { createHmac, randomBytes } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'

export type Repeats = {
  /** Keeps the hash of an event that was stored at this time. */
  remember(gateway: string, identity: string, storedAt: number): void
  isKnown(gateway: string, identity: string): boolean
}

export const repeatsOf = (db: DatabaseSync): Repeats => {
  // Asked each time: the transaction that made the key may yet be rolled back.
  const keyRow = db.prepare('SELECT key FROM repeat_key')
  const insertKey = db.prepare('INSERT INTO repeat_key VALUES (?)')
  const insert = db.prepare('INSERT INTO repeats VALUES (?, ?) ON CONFLICT (hash) DO NOTHING')
  const known = db.prepare('SELECT 1 FROM repeats WHERE hash = ?')

  const key = () => (keyRow.get() as { key: Uint8Array } | undefined)?.key
  const newKey = (): Uint8Array => {
    insertKey.run(randomBytes(32))
    return key()!
  }
  const hash = (secret: Uint8Array, gateway: string, identity: string) =>
    createHmac('sha256', secret)
      .update(JSON.stringify([gateway, identity]))
      .digest()

  return {
    remember(gateway, identity, storedAt) {
      insert.run(hash(key() ?? newKey(), gateway, identity), storedAt)
    },
    isKnown(gateway, identity) {
      const secret = key()
      return secret !== undefined && known.get(hash(secret, gateway, identity)) !== undefined
    },
  }
}
