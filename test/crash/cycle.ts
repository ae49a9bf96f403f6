// One life of the app: started, posted to, killed at a moment drawn from the seed.
import { setTimeout as pause } from 'node:timers/promises'
import { type AppProcess, type AppSettings, startApp } from '../support/app-process.ts'
import { type Ledger, nextPost } from './ledger.ts'
import { type Moment, momentOf, type Random, randomOf } from './moments.ts'
import type { Outside } from './outside.ts'

/** A moment that does not come is not waited for longer. */
const mostMs = 1500
const mostPosts = 25
const posters = 4

export type Life = {
  moment: Moment
  /** The moment did not come, and the app was killed for the time it took. */
  isLate: boolean
  posts: number
  /** From ready to the first try of a delivery that an earlier life had tried; null: there was none. */
  againMs: number | null
}

export const describeMoment = (moment: Moment): string => {
  const { at, ...rest } = moment
  return `${at} ${JSON.stringify('death' in rest ? rest.death : rest)}`
}

type World = { ledger: Ledger; outside: Outside; settings: Omit<AppSettings, 'death'> }
type Told = (what: 'posted' | 'acknowledged' | 'asked' | 'taken') => void

const hasCome = (moment: Promise<void>): Promise<boolean> =>
  moment.then(
    () => true,
    () => false,
  )

/** Posts as long as the app takes it, and resolves to how many posts that were. */
const postAll = async (app: AppProcess, ledger: Ledger, random: Random, tell: Told): Promise<number> => {
  let posts = 0
  let isUp = true
  void app.ended.then(() => {
    isUp = false
  })
  const postOne = async () => {
    posts += 1
    const post = nextPost(ledger, random)
    const answer = app.post(post)
    tell('posted')
    if ((await answer) !== 200) return
    post.isAcknowledged = true
    tell('acknowledged')
  }
  const poster = async () => {
    while (isUp && posts < mostPosts) await postOne()
  }
  // The first post may come before the store is open.
  if (await hasCome(app.listening)) await postOne()
  if (await hasCome(app.ready)) await Promise.all(Array.from({ length: posters }, poster))
  return posts
}

/** Resolves when the app is dead. Rejects if it died by itself. */
export const live = async ({ ledger, outside, settings }: World, seed: number): Promise<Life> => {
  const random = randomOf(seed)
  const moment = momentOf(seed, random)
  if (moment.at === 'mail') await outside.smtp.behave('hold')
  const app = startApp({ ...settings, death: moment.at === 'call' ? moment.death : null })

  let isKilled = false
  let isLate = false
  const kill = () => {
    isKilled = true
    app.kill('SIGKILL')
  }

  const told = { posted: 0, acknowledged: 0, asked: 0, taken: 0 }
  const tell: Told = (what) => {
    told[what] += 1
    if (!('nth' in moment) || moment.at !== what || told[what] !== moment.nth) return
    if (moment.at === 'posted') setTimeout(kill, moment.ms)
    else kill()
  }
  const triedBefore = new Set(outside.tried.keys())
  let againAt: number | null = null
  outside.onTaken = () => tell('taken')
  outside.onAsked = (name) => {
    if (triedBefore.has(name)) againAt ??= performance.now()
    tell('asked')
  }
  if (moment.at === 'started') setTimeout(kill, moment.ms)

  let hasEnded = false
  const watch = async (): Promise<number> => {
    await hasCome(app.ready)
    const readyAt = performance.now()
    while (!hasEnded && !isKilled) {
      const isHere = moment.at === 'mail' && outside.smtp.holding > 0
      isLate = performance.now() - readyAt > mostMs
      if (isHere || isLate) kill()
      await pause(5)
    }
    return readyAt
  }
  const watching = watch()
  const posting = postAll(app, ledger, random, tell)
  const { signal, code, stderr } = await app.ended
  hasEnded = true
  const readyAt = await watching
  const posts = await posting
  await outside.smtp.behave('accept')
  if (signal !== 'SIGKILL') throw new Error(`the app ended by itself with ${signal ?? code}: ${stderr}`)
  return { moment, isLate, posts, againMs: againAt === null ? null : againAt - readyAt }
}
