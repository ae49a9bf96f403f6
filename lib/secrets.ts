// Secrets and tokens as a developer writes them: a text, or several while one is being replaced, often from
// environment variables that may be unset. Comparing them is in signature.ts.
import { z } from 'zod'
import { OptionsError } from './errors.ts'

/** A text, or several while one is being replaced. Those that are unset or blank are passed over. */
export type Secret = string | readonly (string | undefined)[] | undefined

export const secretSchema = z
  .union([z.string(), z.array(z.string().optional())])
  .describe('a text, or a list of texts')
  .optional()

/** Files of secrets end in a newline, which is not part of the secret. */
export const textsOf = (secret: Secret): string[] => [secret].flat().flatMap((each) => each?.trim() || [])

export const describeBlank = (secret: Secret): string => (secret === undefined ? 'undefined' : 'empty')

/**
 * The texts of an option; none when it is not written. Throws an OptionsError when it is written but blank: whoever
 * wrote it relies on it. `path` names what holds the option.
 */
export const writtenTexts = <Name extends string>(
  options: { readonly [name in Name]?: Secret },
  name: Name,
  path = '',
): string[] => {
  const texts = textsOf(options[name])
  if (texts.length > 0 || !(name in options)) return texts
  const advice = 'is its environment variable set? Leave it out if there is none'
  const seen = describeBlank(options[name])
  throw new OptionsError('options-invalid', `\`${path}${name}\` is ${seen}; ${advice}`)
}
