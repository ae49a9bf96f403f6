// Undoes the compression of bodies, bounded. No gateway compresses, but a proxy in front of us may: what a
// gateway signed are the bytes before that, which are those that come out here.
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import { PayloadError } from '../errors.ts'

type Undo = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>

const codings = new Map<string, Undo>([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
])

/** Gives a body as it was before, or rejects with a PayloadError. */
export type Inflate = (bytes: Buffer, maxBytes: number) => Promise<Buffer>

/** What undoes a `Content-Encoding`; null where there is nothing to undo. Throws a PayloadError. */
export type Inflater = (header: string | undefined) => Inflate | null

/**
 * One body at a time, since a few hundred bytes can ask for `maxBytes` of memory, and in Brotli for 16 MB more
 * before the first of them comes out.
 */
export const createInflater = (): Inflater => {
  let last: Promise<unknown> = Promise.resolve()

  return (header) => {
    const name = header?.trim().toLowerCase() ?? ''
    if (name === '' || name === 'identity') return null
    const undo = codings.get(name)
    if (!undo)
      throw new PayloadError('body-encoding', 'the body is compressed, and not by gzip, deflate or br')
    return async (bytes, maxBytes) => {
      // A GET has none, whatever its headers say.
      if (bytes.length === 0) return bytes
      const turn = last.then(() => undo(bytes, { maxOutputLength: maxBytes }))
      last = turn.catch(() => {})
      try {
        return await turn
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
          throw new PayloadError('body-too-large', `the inflated body is larger than ${maxBytes} bytes`)
        throw new PayloadError('body-encoding', `the body is not the ${name} that its header says`)
      }
    }
  }
}
