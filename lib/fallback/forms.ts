// How plain a letter is. One that the mail server does not take as it is goes out plainer, since the text matters
// most; and so does one that the process died over.
import type { MailOutcome } from '../delivery.ts'
import type { Letter } from './letter.ts'
import type { Mailer } from './mailer.ts'

/** `fileless`: nothing is attached. `plain`: nor is there HTML, and files are not even looked at. */
export type LetterForm = 'whole' | 'fileless' | 'plain'

/** From this many interruptions on a mail is as plain as can be: something in it may be what kills the process. */
const plainFrom = 3

export const firstForm = (interruptions: number): LetterForm =>
  interruptions >= plainFrom ? 'plain' : 'whole'

const plainer = (form: LetterForm, { attachments }: Letter): LetterForm | null => {
  if (form === 'plain') return null
  return form === 'whole' && attachments.length > 0 ? 'fileless' : 'plain'
}

/** What the server said is about this letter as it was written. */
const isAboutForm = (outcome: MailOutcome): boolean =>
  outcome.type === 'error' && outcome.permanent && (outcome.code === 'message' || outcome.code === 'size')

type Compose = (form: LetterForm) => Letter | Promise<Letter>

const written = async (form: LetterForm, compose: Compose): Promise<Letter> => {
  try {
    return await compose(form)
  } catch (error) {
    if (form === 'plain') throw error
    return compose('plain')
  }
}

/**
 * Sends what `compose` writes, and once more, plainer, when the server refuses it for what it is. Rejects with
 * what `compose` rejects with, when it cannot even write the plainest.
 */
export const sendAs = async (
  form: LetterForm,
  compose: Compose,
  mailer: Pick<Mailer, 'send'>,
): Promise<MailOutcome> => {
  const letter = await written(form, compose)
  const outcome = await mailer.send(letter)
  if (!isAboutForm(outcome)) return outcome
  const next = plainer(form, letter)
  if (next !== null) return sendAs(next, compose, mailer)
  // A mailbox that is full is refused in the same words as a mail that is too large, and this one is small.
  return outcome.type === 'error' && outcome.code === 'size' ? { ...outcome, permanent: false } : outcome
}
