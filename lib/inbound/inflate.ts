// Undoes the compression of a body, bounded. No gateway compresses, but a proxy in front of us may: what a
// gateway signed are the bytes before that, which are those that come out here.
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import { PayloadError } from '../errors.ts'

/** Gives the body as it was, or rejects with a PayloadError. */
export type Inflate = (bytes: Buffer, maxBytes: number) => Promise<Buffer>

type Undo = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>

const codings = new Map<string, Undo>([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
])

/** What undoes a `Content-Encoding`; null where there is nothing to undo. Throws a PayloadError. */
export const inflateFor = (header: string | undefined): Inflate | null => {
  const name = header?.trim().toLowerCase() ?? ''
  if (name === '' || name === 'identity') return null
  const undo = codings.get(name)
  if (!undo) throw new PayloadError('body-encoding', 'the body is compressed, and not by gzip, deflate or br')
  return async (bytes, maxBytes) => {
    // A GET has none, whatever its headers say.
    if (bytes.length === 0) return bytes
    try {
      return await undo(bytes, { maxOutputLength: maxBytes })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
        throw new PayloadError('body-too-large', `the inflated body is larger than ${maxBytes} bytes`)
      throw new PayloadError('body-encoding', `the body is not the ${name} that its header says`)
    }
  }
}
