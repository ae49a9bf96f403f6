// Several processes on one file: all accept, one delivers, another takes over when that one is killed or
// stopped, and who was stopped writes nothing when it goes on.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Claim } from '../../../lib/engine.ts'
import type { SmsEvent } from '../../../lib/event.ts'
import { type EngineProcess, startEngine } from '../../support/engine-process.ts'
import { smsEvent, webhookEndpoint } from '../../support/events.ts'
import { until } from '../../support/until.ts'
import { attempt } from '../conformance/steps.ts'

// Longer than a test may take: whoever takes over sooner does not wait for a lease to run out.
const longMs = 60_000
const claim = (engine: EngineProcess, leaseMs = longMs, limit = 5) =>
  engine.claim({ limit, leaseMs, room: { default: 5, of: {} } })

let folder: string
let path: string
let processes: EngineProcess[]

const start = async (count: number): Promise<EngineProcess[]> => {
  processes.push(...(await Promise.all(Array.from({ length: count }, () => startEngine(path)))))
  return processes
}

const owe = async (engine: EngineProcess): Promise<SmsEvent> => {
  const event = smsEvent()
  await engine.accept([{ event, endpoints: [webhookEndpoint()] }])
  return event
}

const claimOne = async (engine: EngineProcess, leaseMs?: number): Promise<Claim> => {
  let claims: Claim[] = []
  await until(async () => {
    claims = await claim(engine, leaseMs, 1)
    return claims.length > 0
  })
  return claims[0]!
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'smshook-'))
  path = join(folder, 'sms.db')
  processes = []
})

afterEach(async () => {
  for (const one of processes) one.signal('SIGKILL')
  await Promise.all(processes.map(({ ended }) => ended))
  const db = new DatabaseSync(path)
  expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
  db.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('processes on one file', () => {
  test('all accept, one delivers; when it is killed another goes on and nothing is lost', async () => {
    const engines = await start(3)
    const stored: string[] = []
    const settled: string[] = []
    const claimed = new Map<string, number>()
    const deliverers: number[] = []
    let isAccepting = true
    let isAllStored = false

    const accepting = async (engine: EngineProcess) => {
      while (isAccepting) stored.push((await owe(engine)).id)
    }
    const delivering = async (engine: EngineProcess, index: number) => {
      while (!isAllStored || (await engine.counts()).deliveries.pending > 0) {
        const claims = await claim(engine)
        if (claims.length > 0 && !deliverers.includes(index)) deliverers.push(index)
        for (const { delivery, lease } of claims) {
          claimed.set(delivery.id, (claimed.get(delivery.id) ?? 0) + 1)
          if ((await engine.settle(lease, attempt(), { to: 'delivered' })) === 'settled')
            settled.push(delivery.id)
        }
      }
    }
    // A call rejects when its process is killed, which ends what runs there.
    const accepts = Promise.allSettled(engines.map(accepting))
    const deliveries = Promise.allSettled(engines.map(delivering))

    await until(() => settled.length > 50)
    expect(deliverers).toHaveLength(1)
    const owner = engines[deliverers[0]!]!
    owner.signal('SIGKILL')
    const before = settled.length
    await until(() => settled.length > before + 50)
    isAccepting = false
    const statuses = async (ends: typeof accepts) => (await ends).map(({ status }) => status).sort()
    expect(await statuses(accepts)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    isAllStored = true
    expect(await statuses(deliveries)).toEqual(['fulfilled', 'fulfilled', 'rejected'])

    expect(deliverers).toHaveLength(2)
    const reader = engines.find((engine) => engine !== owner)!
    for (const id of stored) {
      const { delivery, attempts } = (await reader.find(id))!.deliveries[0]!
      expect(delivery).toMatchObject({ state: 'delivered', tries: 1 })
      expect(attempts).toHaveLength(1)
      // Claimed anew only after the kill, and each such claim is on the record.
      expect(claimed.get(delivery.id)).toBeLessThanOrEqual(1 + delivery.interruptions)
      expect(delivery.interruptions).toBeLessThanOrEqual(1)
    }
  })

  test('who was stopped past its lease and goes on writes nothing and delivers no more', async () => {
    const [stopped, next] = (await start(2)) as [EngineProcess, EngineProcess]
    const event = await owe(stopped)
    const late = await claimOne(stopped)
    expect(await claim(next)).toEqual([])
    stopped.signal('SIGSTOP')

    const again = await claimOne(next, 1000)
    expect(again.delivery).toMatchObject({ id: late.delivery.id, tries: 0, interruptions: 1 })
    stopped.signal('SIGCONT')
    expect(await stopped.renew([late.lease], longMs)).toEqual(['lost'])
    expect(await stopped.settle(late.lease, attempt(1), { to: 'failed', reason: 'spent' })).toBe('lost')
    expect(await next.settle(again.lease, attempt(1), { to: 'delivered' })).toBe('settled')
    const { delivery, attempts } = (await next.find(event.id))!.deliveries[0]!
    expect(delivery).toMatchObject({ state: 'delivered', tries: 1 })
    expect(attempts).toHaveLength(1)

    await owe(stopped)
    expect(await claim(stopped)).toEqual([])
    const { lease } = await claimOne(next)
    // The one that was stopped has given the lock up, so that it takes over like any other.
    await claim(next)
    next.signal('SIGKILL')
    expect(await claimOne(stopped)).toMatchObject({ lease: { id: lease.id }, delivery: { interruptions: 1 } })
  })

  test('a lock that comes free is not taken from one that works without it', async () => {
    const [stopped, next, third] = (await start(3)) as [EngineProcess, EngineProcess, EngineProcess]
    await owe(stopped)
    await claimOne(stopped)
    stopped.signal('SIGSTOP')
    const { lease } = await claimOne(next, 1000)
    stopped.signal('SIGKILL')
    await stopped.ended
    await owe(third)
    expect(await claim(third)).toEqual([])
    expect(await next.settle(lease, attempt(), { to: 'delivered' })).toBe('settled')
    const { delivery } = await claimOne(next)
    expect(delivery.interruptions).toBe(0)
    next.signal('SIGKILL')
    expect((await claimOne(third)).delivery).toMatchObject({ id: delivery.id, interruptions: 1 })
  })

  test('many that open a new file at once all open it', async () => {
    const engines = await start(6)
    await Promise.all(engines.map(owe))
    expect((await engines[0]!.counts()).events).toBe(6)
  })

  test('a process that forgets to close ends, and the next one finds what it stored', async () => {
    const [forgetful] = (await start(1)) as [EngineProcess]
    const event = await owe(forgetful)
    await claimOne(forgetful)
    forgetful.letGo()
    expect(await forgetful.ended).toEqual([0, null])
    const next = (await start(1))[1]!
    expect((await claimOne(next)).event).toEqual(event)
  })
})
