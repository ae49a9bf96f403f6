// The SQLite engine, the default: one file, any number of processes that accept, one at a time that delivers.
// This is its face on the main thread; the SQL lives in the worker's files beside it.
import { resolve } from 'node:path'
import { createListeners } from '../engine/listeners.ts'
import { createReadable } from '../engine/readable.ts'
import { claimOf, foundOf, mailClaimOf, pageOf } from '../engine/rows.ts'
import { createTrouble, type Trouble } from '../engine/trouble.ts'
import type { Acceptance, Engine, EngineContext } from '../engine.ts'
import { EngineError, OptionsError } from '../errors.ts'
import { createCleaning } from './sqlite/cleaning.ts'
import type { AcceptanceRow } from './sqlite/deliveries.ts'
import { engineErrorOf, type Failure, failureOf, isDamage } from './sqlite/errors.ts'
import { createFile, ownerPath, realPath, wasSetUp } from './sqlite/files.ts'
import { createGroup, type Group } from './sqlite/group.ts'
import { createKnownDamage } from './sqlite/known-damage.ts'
import { type Line, openLine, workerFile } from './sqlite/line.ts'
import { leastSetBackMs } from './sqlite/set-back.ts'
import type { Input, Name, Output, Place } from './sqlite/store.ts'

/** How often the clock may have made something due, and how soon a store that was lost is opened again. */
const pollMs = 1000

const inMemory = ':memory:'

const prepare = (location: string, before: Failure | null): Place => {
  if (location === inMemory) return { path: location, lockPath: null, wasSetUp: false, before }
  const path = realPath(location)
  const held = wasSetUp(path)
  createFile(path)
  return { path, lockPath: ownerPath(path), wasSetUp: held, before }
}

const rowOf = ({ event, endpoints, join = false }: Acceptance): AcceptanceRow => ({
  id: event.id,
  gateway: event.gateway,
  identity: event.identity,
  event: JSON.stringify(event),
  hasMedia: event.media.length > 0,
  endpoints: endpoints.map((endpoint) => ({ id: endpoint.id, json: JSON.stringify(endpoint) })),
  join,
})

const size = ({ event, endpoints }: AcceptanceRow): number =>
  endpoints.reduce((sum, { json }) => sum + json.length, event.length)

const checked = (path: string): string => {
  if (typeof path === 'string' && path !== '') return path === inMemory ? path : resolve(path)
  throw new OptionsError(
    'options-invalid',
    `sqlite() got ${JSON.stringify(path)} as its path. Write a file name, such as sqlite('./smshook.db'), or ':memory:'.`,
  )
}

/** `sqlite` with the worker's file as a parameter; null: on the main thread. */
export const sqliteOn = (worker: URL | null, path: string): Engine => {
  const location = checked(path)
  let context: EngineContext | null = null
  const { onDue, tell } = createListeners(() => context?.logger)
  let opening: Promise<void> | null = null
  let closing: Promise<void> | null = null
  let opened: { line: Line; group: Group } | null = null
  let isPolling = false
  let stopPolling = () => {}
  /** What ended the store that was open before. */
  let loss: Failure | null = null
  const knownDamage = createKnownDamage()
  let trouble: Trouble | null = null
  let latest = Number.NEGATIVE_INFINITY
  /** How far the clock was set back without the store knowing. */
  let setBackMs = 0

  const start = async ({ logger }: EngineContext) => {
    try {
      const place = prepare(location, loss)
      const open = () =>
        openLine(worker, place, logger, (failure) => {
          opened = null
          loss = failure
          trouble?.begin(engineErrorOf(failure, location))
        })
      const line = await (loss && isDamage(loss) ? knownDamage.unlessKnown(place.path, open) : open())
      opened = { line, group: createGroup(line, location, tell) }
      loss = null
    } catch (error) {
      throw error instanceof EngineError ? error : engineErrorOf(failureOf(error), location)
    }
  }

  const reopen = async (given: EngineContext) => {
    try {
      await engine.open(given)
      trouble?.end()
    } catch (error) {
      if (!closing) trouble?.begin(error as EngineError)
    }
  }

  const poll = (given: EngineContext) => {
    stopPolling = given.clock.after(pollMs, async () => {
      if (opened) tell()
      else await reopen(given)
      if (!closing) poll(given)
    })
  }

  /** Looked at with each call, and so each second at least. */
  const followClock = (group: Group, now: number) => {
    if (latest - now > leastSetBackMs) setBackMs += latest - now
    latest = now
    if (setBackMs === 0) return
    const byMs = setBackMs
    setBackMs = 0
    group.call('setBack', byMs, now).catch(() => {
      setBackMs += byMs
    })
  }

  const call = async <N extends Name>(name: N, input: Input<N>, chars?: number): Promise<Output<N>> => {
    if (closing) throw new EngineError('engine-closed', `The database ${location} was closed.`)
    if (!opened || !context) {
      if (trouble?.current) throw trouble.current
      throw new EngineError('engine-not-ready', `The database ${location} is not open yet.`)
    }
    const now = context.clock.now()
    followClock(opened.group, now)
    return opened.group.call(name, input, now, chars)
  }

  const readable = createReadable(location, () => context?.logger)
  const cleaning = createCleaning(call, (...line) => context?.logger.warn(...line), location)

  const close = async () => {
    stopPolling()
    await opening?.catch(() => {})
    await opened?.group.drained()
    await opened?.line.close()
    opened = null
  }

  const engine: Engine = {
    location,

    async open(given) {
      if (closing) throw new EngineError('engine-closed', `The database ${location} was closed.`)
      if (opened) return
      context = given
      trouble ??= createTrouble(location, given.logger)
      opening ??= start(given).finally(() => {
        opening = null
      })
      await opening
      if (isPolling || closing) return
      isPolling = true
      poll(given)
    },
    close() {
      closing ??= close()
      return closing
    },

    async accept(items, { client } = {}) {
      if (client)
        throw new OptionsError(
          'options-invalid',
          `\`client\` is for postgres(): ${location} has no transactions in common with another database.`,
        )
      const rows = items.map(rowOf)
      return call(
        'accept',
        rows,
        rows.reduce((sum, row) => sum + size(row), 0),
      )
    },
    claim: async (wish) => readable(await call('claim', wish), claimOf),
    settle: (lease, attempt, next) => call('settle', { lease, attempt, next }),
    renew: (leases, leaseMs) => call('renew', { leases, leaseMs }),
    release: (leases) => call('release', leases),
    claimMails: async (wish) => readable(await call('claimMails', wish), mailClaimOf),
    settleMail: (lease, outcome, next) => call('settleMail', { lease, outcome, next }),

    onDue,

    find: async (id) => {
      const found = await call('find', id)
      return found && foundOf(found)
    },
    list: async (filter, { limit, cursor }) => pageOf(await call('list', { filter, limit, cursor })),
    counts: () => call('counts', undefined),
    replay: (deliveryIds) => call('replay', deliveryIds),
    cancel: (deliveryIds) => call('cancel', deliveryIds),
    quarantine: (request, reason) => call('quarantine', { request, reason }, request.body.length + 1),
    ...cleaning,
  }
  return engine
}

/**
 * Keeps everything in one SQLite file, created when it is missing (its folder is not), or in memory with
 * `:memory:`. The file belongs on a local disk: SQLite's locks do not work on network file systems.
 *
 * Throws an OptionsError. What `open` and the calls reject with is an EngineError.
 */
export const sqlite = (path: string): Engine => sqliteOn(workerFile(), path)
