// Proving where a request came from: secrets compared without telling, by the time it takes, how much of a guess
// was right, HMACs and JSON Web Tokens. Which secret is expected from whom is the affair of inbound/ and gateways/.
import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { SignJWT } from 'jose/jwt/sign'
import { jwtVerify } from 'jose/jwt/verify'
import { VerificationError } from './errors.ts'

// Digests have one length whatever the secrets' lengths are, so that the length does not show either.
// As hex text they come at a third of the cost of bytes.
const digest = (text: string): Buffer => Buffer.from(hash('sha256', text, 'hex'), 'latin1')

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

export type MacOptions = {
  /** Any one of them will do; none matches nothing. */
  secrets: readonly string[]
  /** What was signed, as it is strung together. */
  parts: readonly (string | Buffer)[]
  /** Default: `sha256`. */
  algorithm?: 'sha1' | 'sha256' | 'sha512' | undefined
  /** Default: `hex`, of either case. */
  encoding?: 'hex' | 'base64' | 'base64url' | undefined
}

const macOf = (secret: string, { parts, algorithm = 'sha256' }: Omit<MacOptions, 'secrets'>): Buffer => {
  const mac = createHmac(algorithm, secret)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

/** An HMAC (RFC 2104) as text. */
export const signMac = (secret: string, options: Omit<MacOptions, 'secrets'>): string =>
  macOf(secret, options).toString(options.encoding ?? 'hex')

const spelling = {
  hex: /^(?:[0-9a-f]{2})+$/i,
  base64: /^[A-Za-z0-9+/]+={0,2}$/,
  base64url: /^[\w-]+$/,
}

/** Throws a VerificationError that says what is wrong with a signature, as its header gives it, but nothing of the secrets. */
export const verifyMac = (given: string | readonly string[] | undefined, options: MacOptions): void => {
  const { secrets, encoding = 'hex' } = options
  const signature = [given ?? ''].flat().join()
  if (signature === '') throw new VerificationError('signature-missing', 'the request carries no signature')
  // An empty secret is one that anybody knows.
  const macs = secrets.filter((secret) => secret !== '').map((secret) => macOf(secret, options))
  const bytes = Buffer.from(signature, encoding)
  const size = macs[0]?.length ?? bytes.length
  if (!spelling[encoding].test(signature) || bytes.length !== size)
    throw new VerificationError('signature-malformed', `the signature is not ${size} bytes in ${encoding}`)
  // All are compared always, so that the time does not tell which one it was.
  const matches = macs.map((mac) => timingSafeEqual(mac, bytes))
  if (!matches.includes(true))
    throw new VerificationError(
      'signature-mismatch',
      'the signature is not that of this request under any secret',
    )
}

/** Throws a VerificationError when `signedAt` is further than `toleranceMs` from `now`, either way. */
export const verifyFresh = (signedAt: number, now: number, toleranceMs: number): void => {
  const apart = Math.abs(now - signedAt)
  if (apart <= toleranceMs) return
  const seconds = Math.round(apart / 1_000)
  const side = signedAt < now ? 'ago' : 'ahead of the clock here'
  throw new VerificationError(
    'signature-stale',
    `the signature was made ${seconds} seconds ${side}; ${toleranceMs / 1_000} are allowed`,
  )
}

export type JwtOptions = {
  /** Any one of them will do; none matches nothing. */
  secrets: readonly string[]
  /** Milliseconds since the Unix epoch. */
  now: number
  /** What `iss` must be. Default: anything, or none. */
  issuer?: string | undefined
  /** What `aud` must name; one of them will do. Default: anything, or none. */
  audience?: string | readonly string[] | undefined
  /** Claims that must be there. */
  required?: readonly string[] | undefined
  /** How far `exp` and `nbf` may be off, for clocks that differ. Default: 0. */
  leewayMs?: number | undefined
}

type JoseError = { code?: string; claim?: string; reason?: string; payload?: { exp?: number; nbf?: number } }

const jwtFault = (error: JoseError, now: number): VerificationError => {
  const { code, claim, payload } = error
  const apart = (seconds: number | undefined) => Math.round(Math.abs(now / 1_000 - (seconds ?? 0)))
  if (code === 'ERR_JWT_EXPIRED')
    return new VerificationError('signature-stale', `the token expired ${apart(payload?.exp)} seconds ago`)
  if (code === 'ERR_JWT_CLAIM_VALIDATION_FAILED' && claim === 'nbf' && error.reason === 'check_failed')
    return new VerificationError(
      'signature-stale',
      `the token is valid only in ${apart(payload?.nbf)} seconds`,
    )
  if (code === 'ERR_JWT_CLAIM_VALIDATION_FAILED')
    return new VerificationError(
      'signature-mismatch',
      `the token's \`${claim}\` is missing or another than expected`,
    )
  if (code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED')
    return new VerificationError('signature-mismatch', 'the token is signed with none of the secrets')
  if (code === 'ERR_JOSE_ALG_NOT_ALLOWED')
    return new VerificationError(
      'signature-mismatch',
      'the token is signed with another algorithm than HS256',
    )
  return new VerificationError('signature-malformed', 'the token is no JSON Web Token')
}

const verifyWith = async (token: string, secret: string, options: JwtOptions) => {
  const { now, issuer, audience, required = [], leewayMs = 0 } = options
  const { payload } = await jwtVerify(token, Buffer.from(secret), {
    // Pinned (RFC 8725, 3.1): what the token's own header says of it is the sender's.
    algorithms: ['HS256'],
    currentDate: new Date(now),
    clockTolerance: leewayMs / 1_000,
    requiredClaims: [...required],
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience: [audience].flat() }),
  })
  return payload
}

/** The claims of a JSON Web Token (RFC 7519) signed with HS256. Rejects with a VerificationError. */
export const verifyJwt = async (
  token: string | undefined,
  options: JwtOptions,
): Promise<Readonly<Record<string, unknown>>> => {
  if (token === undefined || token === '')
    throw new VerificationError('signature-missing', 'the request carries no token that is signed')
  const secrets = options.secrets.filter((secret) => secret !== '')
  const results = await Promise.allSettled(secrets.map((secret) => verifyWith(token, secret, options)))
  const valid = results.find((result) => result.status === 'fulfilled')
  if (valid) return valid.value
  // Of several secrets, the one that the token is signed with knows what else is wrong.
  const faults = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as JoseError] : [],
  )
  const fault = faults.find(({ code }) => code !== 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED') ?? faults[0]
  throw jwtFault(fault ?? { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' }, options.now)
}

/** A JSON Web Token signed with HS256; the claims are written in the order given. */
export const signJwt = (
  claims: Readonly<Record<string, unknown>>,
  secret: string,
  header: { typ?: 'JWT'; alg: 'HS256' } = { alg: 'HS256', typ: 'JWT' },
): Promise<string> => new SignJWT(claims).setProtectedHeader(header).sign(Buffer.from(secret))
