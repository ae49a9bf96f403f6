// What the test knows, whatever the app says: which posts were made, which got their 200, and what the file
// held at each kill. `faultsOf` compares the file with it while the app is down.
import type { Line, Post } from '../support/app-process.ts'
import { pick, type Random } from './moments.ts'
import type { Held, Snapshot } from './snapshot.ts'

export type Posted = Post & { isAcknowledged: boolean }

export type Ledger = {
  posts: Map<string, Posted>
  /** Every lease that a kill cut off, once, even if the next life died before it could void it. */
  cut: Map<string, Held>
}

export const createLedger = (): Ledger => ({ posts: new Map(), cut: new Map() })

/** Whose deliveries a post to each number is owed as. */
const owed: Record<Line, string[]> = {
  crm: ['crm'],
  app: ['app'],
  both: ['app', 'crm'],
  none: ['fallback'],
}

const lines: readonly Line[] = ['crm', 'crm', 'app', 'app', 'both', 'none']

const uuidOf = (random: Random): string =>
  'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () => Math.floor(random() * 16).toString(16))

/** A post nobody has made yet or, at times, one that was made before. */
export const nextPost = (ledger: Ledger, random: Random): Posted => {
  const earlier = [...ledger.posts.values()]
  const isRepeat = earlier.length > 0 && random() < 0.2
  if (isRepeat) {
    // A gateway posts again what was not acknowledged, and at times what was.
    const open = earlier.filter(({ isAcknowledged }) => !isAcknowledged)
    return pick(random, open.length > 0 ? open : earlier)
  }
  const id = uuidOf(random)
  const text = `It's message ${ledger.posts.size} 😀 ${Math.floor(random() * 1e9).toString(36)}`
  const post = { id, line: pick(random, lines), text, isAcknowledged: false }
  ledger.posts.set(id, post)
  return post
}

export const recordKill = ({ cut }: Ledger, { deliveries, mails }: Snapshot): void => {
  for (const held of [...deliveries, ...mails]) cut.set(`${held.name} ${held.lease}`, held)
}

/** How many leases of a delivery or mail were cut off, and how many of them in a try. */
export const cutsOf = ({ cut }: Ledger, name: string): { leases: number; tries: number } => {
  const own = [...cut.values()].filter((held) => held.name === name)
  return { leases: own.length, tries: own.filter(({ isTrying }) => isTrying).length }
}

/** What is wrong with the file as the kill left it: damage, lost events, events stored in part. */
export const faultsOf = ({ posts }: Ledger, { damage, events }: Snapshot): string[] => {
  const stored = new Map(events.map(({ identity, endpoints }) => [identity, endpoints]))
  const lost = [...posts.values()].filter(({ id, isAcknowledged }) => isAcknowledged && !stored.has(id))
  const partial = events.filter(({ identity, endpoints }) => {
    const post = posts.get(identity)
    return !post || owed[post.line].join() !== endpoints.join()
  })
  return [
    ...damage.map((what) => `the file is damaged: ${JSON.stringify(what)}`),
    ...lost.map(({ id }) => `${id} was acknowledged and is not stored`),
    ...partial.map(({ identity, endpoints }) => `${identity} is owed to ${endpoints.join() || 'nobody'}`),
  ]
}
