// Some apps on one database, of which one after the other is killed and started again, while posts go to those that
// are up. What is in work of the killed one is noted, and so is every try of a delivery that is tried already.
import type { ServerResponse } from 'node:http'
import { createLedger, type Ledger, nextPost, recordKill } from '../crash/ledger.ts'
import { type Moment, momentOf, pick, type Random, randomOf } from '../crash/moments.ts'
import type { Outside } from '../crash/outside.ts'
import { type AppProcess, type AppSettings, startApp } from '../support/app-process.ts'
import { until } from '../support/until.ts'
import { type Cut, type Record, startRecord } from './crash-record.ts'

/** `who` is the name under which this life of a process is known to the database and to its endpoints. */
export type Member = { who: string; app: AppProcess; isUp: boolean }

export type Kill = {
  moment: Moment
  isLate: boolean
  /** By the clock of this machine. */
  at: number
  cuts: Cut[]
}

export type Fleet = {
  members: Member[]
  ledger: Ledger
  record: Record
  kills: Kill[]
  /** Tries of a delivery while another process, which lived, was in the midst of one. */
  doubles: string[]
  /** When each try arrived. */
  tries: { name: string; who: string; at: number }[]
  /** Posts until it is told to end. */
  post(random: Random, isOver: () => boolean): Promise<void>
  /** Kills one of them at a moment drawn from the seed and starts it again. */
  kill(seed: number): Promise<Kill>
  /**
   * Asks one of them to end, and resolves once it has: which tries it broke off, when it was told and had ended, and
   * what it left to nobody.
   */
  end(member: Member): Promise<{ brokenOff: string[]; toldAt: number; at: number; left: Cut[] }>
}

type World = {
  url: string
  outside: Outside
  settings: Pick<AppSettings, 'tries' | 'timeoutMs' | 'slowness' | 'graceMs'>
}

/** A try that has arrived at its endpoint. */
type Asking = { who: string; response: ServerResponse }

/** A moment that does not come is not waited for longer. */
const mostMs = 4000
/** What is owed at most before another post is made: the processes are to be busy, not overrun. */
const mostPending = 40

const isOpen = (response: ServerResponse): boolean =>
  !(response.writableEnded || response.destroyed || response.socket?.destroyed)

/** The next turns of the event loop: what the sockets have to say has been heard by then. */
const turns = async (): Promise<void> => {
  for (let n = 0; n < 3; n += 1) await new Promise((resolve) => setImmediate(resolve))
}

export const startFleet = async (size: number, { url, outside, settings }: World): Promise<Fleet> => {
  let started = 0
  const start = (): Member => {
    started += 1
    const who = `app-${started}`
    const file = `${url}?application_name=${who}`
    const app = startApp({
      ...settings,
      file,
      outside: `${outside.url}/${who}`,
      smtp: outside.smtp.url,
      death: null,
    })
    const member = { who, app, isUp: false }
    app.ready.then(
      () => {
        member.isUp = true
      },
      () => {},
    )
    void app.ended.then(() => {
      member.isUp = false
    })
    return member
  }

  const members = Array.from({ length: size }, start)
  await Promise.all(members.map(({ app }) => app.ready))
  const record = await startRecord(url)
  const ledger = createLedger()
  const kills: Kill[] = []
  const doubles: string[] = []
  const tries: Fleet['tries'] = []
  const told = { posted: 0, acknowledged: 0, asked: 0, taken: 0 }
  /** Whose moment is waited for, and what is told of it. */
  let victim: Member | null = null
  let onTold = (_what: keyof typeof told) => {}
  const tell = (what: keyof typeof told, who: string) => {
    if (who === victim?.who) onTold(what)
  }

  const isAlive = (who: string): boolean => members.some((member) => member.who === who)
  const open = new Map<string, Asking[]>()
  outside.onAsked = async (name, who, response) => {
    tries.push({ name, who, at: Date.now() })
    tell('asked', who)
    const others = (open.get(name) ?? []).filter((other) => isOpen(other.response))
    open.set(name, [...others, { who, response }])
    if (others.length === 0) return
    await turns()
    for (const other of others)
      if (isOpen(other.response) && isAlive(other.who)) doubles.push(`${name} by ${other.who} and ${who}`)
  }
  outside.onTaken = (who) => tell('taken', who)

  const left = { pending: 0, left: 0 }
  const look = async () =>
    Object.assign(left, await record.waiting(kills.flatMap(({ cuts }) => cuts.map(({ lease }) => lease))))

  /** Resolves to whether it came in time; by then the victim is dead. */
  const dieAt = async (moment: Moment, { who, app }: Member): Promise<boolean> => {
    let isDead = false
    void app.ended.then(() => {
      isDead = true
    })
    const kill = () => app.kill('SIGKILL')
    const begun = performance.now()
    const isLate = () => performance.now() - begun > mostMs
    let count = 0
    onTold = (what) => {
      if (!('nth' in moment) || moment.at !== what) return
      count += 1
      if (count !== moment.nth) return
      if (moment.at === 'posted') setTimeout(kill, moment.ms)
      else kill()
    }
    if (moment.at === 'call') app.arm(moment.death)
    if (moment.at === 'started') setTimeout(kill, moment.ms)
    if (moment.at === 'mail') await outside.smtp.behave('hold')
    const hasCome = async () =>
      isDead || (moment.at === 'mail' && outside.smtp.holding > 0 && record.isInMail(who))
    await until(async () => (await hasCome()) || isLate())
    const isInTime = await hasCome()
    kill()
    const { signal, code, stderr } = await app.ended
    await outside.smtp.behave('accept')
    if (signal !== 'SIGKILL') throw new Error(`${who} ended by itself with ${signal ?? code}: ${stderr}`)
    return isInTime
  }

  return {
    members,
    ledger,
    record,
    kills,
    doubles,
    tries,
    async post(random, isOver) {
      while (!isOver()) {
        await until(async () => isOver() || (await look()).pending < mostPending, 120_000)
        const up = members.filter(({ isUp }) => isUp)
        if (isOver() || up.length === 0) continue
        const { app, who } = pick(random, up)
        const post = nextPost(ledger, random)
        const answer = app.post(post)
        tell('posted', who)
        if ((await answer) !== 200) continue
        post.isAcknowledged = true
        tell('acknowledged', who)
      }
    },
    async kill(seed) {
      const random = randomOf(seed)
      const moment = momentOf(seed, random)
      const dying = pick(random, members)
      victim = dying
      const isInTime = await dieAt(moment, dying)
      const at = Date.now()
      const again = start()
      members.splice(members.indexOf(dying), 1, again)
      const { deliveries, mails } = await record.cutOff(dying.who)
      recordKill(ledger, { damage: [], events: [], deliveries, mails })
      const kill = { moment, isLate: !isInTime, at, cuts: [...deliveries, ...mails] }
      kills.push(kill)
      await again.app.ready
      return kill
    },
    async end(member) {
      const { who, app } = member
      const toldAt = Date.now()
      const midst = [...open].flatMap(([name, all]) =>
        all.flatMap((one) => (one.who === who && isOpen(one.response) ? { name, ...one } : [])),
      )
      app.kill('SIGTERM')
      const { signal, code, stderr } = await app.ended
      if (code !== 0) throw new Error(`${who} ended with ${signal ?? code}: ${stderr}`)
      const at = Date.now()
      const brokenOff = midst.filter(({ response }) => !response.writableEnded).map(({ name }) => name)
      members.splice(members.indexOf(member), 1)
      const { deliveries, mails } = await record.cutOff(who)
      return { brokenOff, toldAt, at, left: [...deliveries, ...mails] }
    },
  }
}
