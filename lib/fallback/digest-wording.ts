// What a mail with several messages says of them together: its subject, why they come in one, and a table of
// contents. Pure.
import type { Reason } from '../delivery.ts'
import type { Story } from '../engine.ts'
import { oneLine } from './legible.ts'
import type { Moments } from './moments.ts'
import { counterpart, nameOf, type Opening } from './wording.ts'

/** From this many messages on there is a table of contents, and each is told without the list of its tries. */
export const manyMessages = 6

/** Visible characters of the words of a message in the table. */
const wordsLength = 40

const endings: Partial<Record<Reason, string>> = {
  spent: 'your system could not be reached',
  gone: 'your system takes no more',
  deadline: 'your system did not take them in time',
  orphaned: 'your system no longer asks for them',
}

/** What all have in common, if they do. */
const shared = <Of>(stories: readonly Story[], read: (story: Story) => Of): Of | undefined => {
  const first = read(stories[0]!)
  return stories.every((story) => read(story) === first) ? first : undefined
}

const areMessages = (stories: readonly Story[]): boolean =>
  stories.every(({ event }) => event.type === 'message.received')

export const digestSubject = (stories: readonly Story[], limit: number, nameLength: number): string => {
  const to = areMessages(stories) ? shared(stories, ({ event }) => nameOf(event.to, nameLength)) : undefined
  const reason = shared(stories, ({ delivery }) => delivery.reason)
  const ending = reason ? endings[reason] : undefined
  const what = `${stories.length} ${areMessages(stories) ? 'text messages' : 'messages and reports'}`
  return oneLine(`${what}${to ? ` for ${to}` : ''}${ending ? `; ${ending}` : ''}`, limit)
}

const contentLine = ({ event, delivery }: Story, index: number, moments: Moments): string => {
  const at = moments.dated(Date.parse(event.receivedAt) || delivery.createdAt)
  const words = event.encrypted ? '' : oneLine(event.text ?? '', wordsLength)
  return `${index + 1}. ${at}, ${nameOf(counterpart(event))}${words === '' ? '' : `: "${words}"`}`
}

export const openingOf = (stories: readonly Story[], moments: Moments): Opening => ({
  lead: `${stories.length} messages come in this email, since there were too many for an email each. Every one of them is below in full.`,
  contents:
    stories.length < manyMessages ? [] : stories.map((story, index) => contentLine(story, index, moments)),
})
