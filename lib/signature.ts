// Comparing secrets without telling, by the time it takes, how much of a guess was right.
// Which secret is expected from whom is the affair of inbound/ and gateways/.
import { hash, timingSafeEqual } from 'node:crypto'

// Digests have one length whatever the secrets' lengths are, so that the length does not show either.
// As hex text they come at a third of the cost of bytes.
const digest = (text: string): Buffer => Buffer.from(hash('sha256', text, 'hex'), 'latin1')

/** Whether two secrets are the same, in a time that depends on neither. */
export const safeEqual = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))

/**
 * Prepares the comparison with several secrets, any one of which will do (they are several while one is
 * being replaced). All are compared always, so that the time does not tell which one it was.
 */
export const matchesAny = (secrets: readonly string[]): ((candidate: string) => boolean) => {
  const digests = secrets.map(digest)
  return (candidate) => {
    const candidateDigest = digest(candidate)
    let matches = false
    for (const secretDigest of digests) {
      // Compared first: `||` would skip the comparison once one has matched.
      matches = timingSafeEqual(candidateDigest, secretDigest) || matches
    }
    return matches
  }
}
