// What a developer is told about a mistake.
import { OptionsError } from '../../lib/errors.ts'

/** The message of the OptionsError that `make` must throw. */
export const complaint = (make: () => unknown): string => {
  try {
    make()
  } catch (error) {
    expect(error).toBeInstanceOf(OptionsError)
    expect((error as OptionsError).code).toBe('options-invalid')
    return (error as OptionsError).message
  }
  throw new Error('it was accepted')
}
