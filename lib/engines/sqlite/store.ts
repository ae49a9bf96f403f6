// The store as one thread sees it: a database, and batches of calls that share a transaction. Runs in the
// worker thread, or on the main thread where there is none.
import type { DatabaseSync } from 'node:sqlite'
import { monotonicNow } from '../../clock.ts'
import { deliveryCalls, type Turn } from './deliveries.ts'
import { eraseCalls } from './erase.ts'
import { type Failure, failureOf, isGrave } from './errors.ts'
import { mailCalls } from './mails.ts'
import { createOwner, type Owner } from './owner.ts'
import { pruneCalls } from './prune.ts'
import { quarantineCalls } from './quarantine.ts'
import { readCalls } from './reads.ts'
import { repeatsOf } from './repeats.ts'
import { traceCalls } from './traces.ts'

/**
 * A null `lockPath`: a database in memory, which has no other processes. `wasSetUp`: it held data before.
 * `before` is what ended the store that was open until now, null at first.
 */
export type Place = { path: string; lockPath: string | null; wasSetUp: boolean; before: Failure | null }

const callsOf = (db: DatabaseSync, owner: Owner) => {
  const repeats = repeatsOf(db)
  return {
    ...deliveryCalls(db, owner, repeats),
    ...mailCalls(db, owner),
    ...readCalls(db),
    ...quarantineCalls(db),
    ...pruneCalls(db, repeats),
    ...eraseCalls(db, repeats),
    ...traceCalls(db),
    setBack(byMs: number, turn: Turn): void {
      owner.setBack(byMs, turn.now)
      turn.isDue = true
    },
  }
}
export type Calls = ReturnType<typeof callsOf>
export type Name = keyof Calls
export type Input<N extends Name> = Parameters<Calls[N]>[0]
export type Output<N extends Name> = ReturnType<Calls[N]>

/** `id` tells which call an answer belongs to. */
export type Call = { id: number; name: Name; now: number; input: unknown }
export type Answer = { id: number; value: unknown } | { id: number; failure: Failure }
/** One answer for each call of a transaction, and whether something has become due. After a loss the store has to be opened anew. */
export type Reply = {
  answers: Answer[]
  isDue: boolean
  loss?: Failure
  /** How long the store worked on it; missing where it did not. */
  tookMs?: number
}

export type Store = {
  /** Runs the calls in one transaction. */
  run(calls: readonly Call[]): Reply
  close(): void
}

const reads: ReadonlySet<Name> = new Set<Name>(['find', 'list', 'counts'])
const claims: ReadonlySet<Name> = new Set<Name>(['claim', 'claimMails'])
// Not the claims of mails: a digest must be on disk before it is sent.
const leasing: ReadonlySet<Name> = new Set<Name>(['claim', 'renew'])
const isLeasing = ({ name }: Call): boolean => leasing.has(name)
const alone: ReadonlySet<Name> = new Set<Name>(['checkpoint', 'emptyLog', 'rewrite'])
/** What can be in no transaction. */
export const isAlone = ({ name }: Call): boolean => alone.has(name)

/**
 * Calls by the transactions that they are best run in. What only leases goes first and by itself, since free
 * slots wait for it and nothing of it has to be flushed. Renewals are part of it so that no claim overtakes one
 * and takes what is still in work. What can be in no transaction comes last. Nothing overtakes a clock that was set
 * back: instants before and after it are not of one kind.
 */
export const transactionsOf = (calls: readonly Call[]): Call[][] => {
  const at = calls.findIndex(({ name }) => name === 'setBack')
  if (at >= 0)
    return [...transactionsOf(calls.slice(0, at)), [calls[at]!], ...transactionsOf(calls.slice(at + 1))]
  return [
    calls.filter(isLeasing),
    calls.filter((call) => !isLeasing(call) && !isAlone(call)),
    calls.filter(isAlone),
  ].filter(({ length }) => length > 0)
}

/** Measured beside the work: the main thread may hear of it late. */
export const timed = (store: Store): Store => ({
  ...store,
  run(calls) {
    const began = monotonicNow()
    const reply = store.run(calls)
    return { ...reply, tookMs: monotonicNow() - began }
  },
})

export const storeOn = (db: DatabaseSync, lockPath: string | null): Store => {
  const owner = createOwner(db, lockPath)
  const calls = callsOf(db, owner)
  const statements = {
    read: db.prepare('BEGIN'),
    write: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    save: db.prepare('SAVEPOINT one'),
    keep: db.prepare('RELEASE one'),
    undo: db.prepare('ROLLBACK TO one'),
  }

  let isFlushed = true
  const setFlushed = (wished: boolean) => {
    if (wished === isFlushed) return
    // Should this fail half way, the next call asks again for what it needs.
    isFlushed = false
    db.exec(`PRAGMA synchronous = ${wished ? 'FULL' : 'NORMAL'}`)
    isFlushed = wished
  }

  const answer = ({ id, name, now, input }: Call, reply: Reply): Answer => {
    const turn: Turn = { now, isDue: false }
    const call = calls[name] as (input: unknown, turn: Turn) => unknown
    const value = call(input, turn)
    if (turn.isDue) reply.isDue = true
    return { id, value }
  }

  const answerAlone = (call: Call, reply: Reply): Answer => {
    statements.save.run()
    try {
      return answer(call, reply)
    } catch (error) {
      // What concerns all calls, such as a full disk, may have ended the whole transaction, and with it what the
      // calls before this one wrote.
      if (!db.isTransaction || isGrave(error)) throw error
      statements.undo.run()
      return { id: call.id, failure: failureOf(error) }
    } finally {
      if (db.isTransaction) statements.keep.run()
    }
  }

  const transact = (batch: readonly Call[], isWrite: boolean, answerOne: typeof answer): Reply => {
    const reply: Reply = { answers: [], isDue: false }
    const begin = isWrite ? statements.write : statements.read
    begin.run()
    try {
      for (const call of batch) reply.answers.push(answerOne(call, reply))
      statements.commit.run()
      return reply
    } catch (error) {
      const isOneCall = db.isTransaction && reply.answers.length < batch.length
      if (db.isTransaction) statements.rollback.run()
      // Savepoints keep the call that failed from taking the others with it. They would add a fifth to what a
      // call costs, so they are for this second time only.
      if (isOneCall && answerOne === answer) return transact(batch, isWrite, answerAlone)
      throw error
    }
  }

  return {
    run(batch) {
      const claim = batch.find(({ name }) => claims.has(name))
      if (claim) owner.contend((claim.input as { leaseMs: number }).leaseMs, claim.now)
      const isWrite = batch.some(({ name }) => !reads.has(name) && (owner.isOwner || !claims.has(name)))
      try {
        // A lease only has to outlive its process: after a power cut, none is left to honour. The next transaction
        // that is flushed takes along what this one wrote.
        setFlushed(!batch.every(isLeasing))
        if (batch.every(isAlone)) {
          const reply: Reply = { answers: [], isDue: false }
          for (const call of batch) reply.answers.push(answer(call, reply))
          return reply
        }
        return transact(batch, isWrite, answer)
      } catch (error) {
        const failure = failureOf(error)
        return { answers: batch.map(({ id }) => ({ id, failure })), isDue: false }
      }
    },
    close() {
      owner.close()
      db.close()
    },
  }
}
