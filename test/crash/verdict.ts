// What must be true once the app has been left alone: compares what it says in the end with the ledger and with
// what reached the world outside. Every fault is a line of text.
import type { Attempt } from '../../lib/delivery.ts'
import type { Found } from '../../lib/engine.ts'
import type { Received } from '../support/smtp.ts'
import { cutsOf, type Ledger, type Posted } from './ledger.ts'
import { nameOf, type Outside } from './outside.ts'

const isSuccess = ({ outcome }: Attempt): boolean =>
  outcome.type === 'done' || (outcome.type === 'answer' && outcome.status === 200)

type Owed = Found['deliveries'][number]
type Known = { ledger: Ledger; outside: Outside; tries: number; mails: Map<string, Received[]> }

/** Every mail that came, by its Message-ID. */
export const mailsOf = ({ smtp }: Outside): Map<string, Received[]> => {
  const mails = new Map<string, Received[]>()
  for (const one of smtp.received) {
    const id = one.mail.messageId ?? 'none'
    mails.set(id, [...(mails.get(id) ?? []), one])
  }
  return mails
}

const faultsOfTries = (name: string, { delivery, attempts }: Owed, { ledger, outside, tries }: Known) => {
  const faults: string[] = []
  const numbers = attempts.map(({ n }) => n).join()
  const expected = Array.from({ length: delivery.tries }, (_, index) => index + 1).join()
  if (numbers !== expected) faults.push(`its attempts are ${numbers}, and it counts ${delivery.tries}`)
  if (attempts.length > tries) faults.push(`it was tried ${attempts.length} times`)
  if (attempts.slice(0, -1).some(isSuccess)) faults.push('it was tried after a success')

  const cuts = cutsOf(ledger, name)
  if (delivery.interruptions !== cuts.tries)
    faults.push(`it counts ${delivery.interruptions} interruptions, and ${cuts.tries} tries were cut off`)
  // One try may have been under way at each kill; there was no other without a record.
  const asked = outside.tried.get(name)?.asked ?? 0
  const most = attempts.length + cuts.leases
  if (asked > most) faults.push(`its endpoint was asked ${asked} times, and ${most} is explained`)
  return faults
}

const faultsOfMail = ({ text }: Posted, { mail }: Owed, { ledger, mails }: Known): string[] => {
  if (mail?.state !== 'sent') return [`it is emailed, and its mail is ${mail?.state ?? 'missing'}`]
  const copies = mails.get(mail.messageId) ?? []
  const most = 1 + cutsOf(ledger, mail.messageId).leases
  const faults: string[] = []
  if (copies.length === 0) faults.push('its email did not arrive')
  if (copies.length > most) faults.push(`its email came ${copies.length} times, and ${most} is explained`)
  if (!copies.every((copy) => copy.mail.text?.includes(text)))
    faults.push('its email does not say what the message says')
  return faults
}

const faultsOfDelivery = (post: Posted, owed: Owed, known: Known): string[] => {
  const { delivery, attempts, mail } = owed
  const name = nameOf(delivery.endpoint.id, post.id)
  const faults = faultsOfTries(name, owed, known)
  const hasSucceeded = attempts.some(isSuccess)
  if (delivery.state === 'delivered') {
    if (!hasSucceeded) faults.push('it is delivered without a successful attempt')
    if (mail) faults.push('it is delivered and has a mail')
    if (!known.outside.tried.get(name)?.taken) faults.push('it is delivered, but nobody took it')
  } else if (delivery.state === 'emailed') {
    if (hasSucceeded) faults.push('it is emailed in spite of a successful attempt')
    if (delivery.reason === 'spent' && attempts.length !== known.tries)
      faults.push(`its tries are spent after ${attempts.length}`)
    faults.push(...faultsOfMail(post, owed, known))
  } else {
    faults.push(`it ended ${delivery.state}`)
  }
  return faults.map((fault) => `${name}: ${fault}`)
}

/** `found` is everything that is stored. */
export const verdict = (found: readonly Found[], known: Known): string[] => {
  const { posts } = known.ledger
  const stored = new Set(found.map(({ event }) => event.identity))
  const lost = [...posts.values()].filter(({ id, isAcknowledged }) => isAcknowledged && !stored.has(id))
  const mailsOwed = new Set(found.flatMap(({ deliveries }) => deliveries.map(({ mail }) => mail?.messageId)))
  const strangers = [...known.mails.keys()].filter((id) => !mailsOwed.has(id))
  return [
    ...lost.map(({ id }) => `${id} was acknowledged and is lost`),
    ...strangers.map((id) => `nobody is owed the mail ${id}`),
    ...found.flatMap(({ event, deliveries }) =>
      deliveries.flatMap((owed) => faultsOfDelivery(posts.get(event.identity)!, owed, known)),
    ),
  ]
}
