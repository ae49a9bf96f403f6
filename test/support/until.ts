// Waits for a condition of the world outside: a socket, another process. Never for a mere amount of time.
import { setTimeout as pause } from 'node:timers/promises'

/** Resolves once `condition` is true; rejects when it is not within `mostMs`. */
export const until = async (condition: () => boolean | Promise<boolean>, mostMs = 10_000): Promise<void> => {
  const endsAt = performance.now() + mostMs
  while (!(await condition())) {
    if (performance.now() > endsAt) throw new Error(`it did not come true: ${condition}`)
    await pause(5)
  }
}
