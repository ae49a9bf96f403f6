// What a file is, by its bytes: the sender's word for it counts only between kinds of plain text. What is not
// known to be harmless to show is nothing but bytes.
import { isUtf8 } from 'node:buffer'

export type FileType = {
  contentType: string
  /** Names of it may end so; the first is the usual one. */
  extensions: readonly [string, ...string[]]
}

export const unknownType: FileType = { contentType: 'application/octet-stream', extensions: ['bin'] }

/** Types that a mail program shows without running anything. SVG and HTML carry scripts. */
const shownTypes = /^(image\/(jpeg|a?png|gif|webp|hei[cf]|bmp|tiff)|audio\/[a-z0-9.+-]+|video\/[a-z0-9.+-]+)$/

const aliases: Record<string, readonly string[]> = {
  jpg: ['jpeg', 'jpe', 'jfif'],
  tif: ['tiff'],
  heic: ['heif', 'hif'],
  mp4: ['m4v'],
  mov: ['qt'],
  '3gp': ['3gpp'],
}

/** Kinds of text that nothing in the bytes tells apart. */
const textTypes: Record<string, readonly [string, ...string[]]> = {
  'text/plain': ['txt', 'text', 'log'],
  'text/vcard': ['vcf'],
  'text/x-vcard': ['vcf'],
  'text/calendar': ['ics'],
}

/** Enough to tell every type by, and so little that no container of a million parts takes long. */
const sampleBytes = 64 * 1024

export const bareType = (contentType: string): string => contentType.split(';')[0]!.trim().toLowerCase()

const isText = (content: Buffer): boolean =>
  isUtf8(content) && !/[\u0000-\u0008\u000b\u000e-\u001f\u007f]/.test(content.toString())

/** A tag anywhere: programs that look for HTML themselves do not only look at the beginning. */
const looksLikeMarkup = (content: Buffer): boolean => /<[a-z!?/]/i.test(content.toString())

const detect = async (content: Buffer): Promise<{ ext: string; mime: string } | undefined> => {
  try {
    const { fileTypeFromBuffer } = await import('file-type')
    return await fileTypeFromBuffer(content.subarray(0, sampleBytes))
  } catch {
    // A file that breaks its reader is of no known type.
    return undefined
  }
}

/** `declared` is what the sender calls it. Never rejects. */
export const typeOf = async (content: Buffer, declared: string): Promise<FileType> => {
  const bare = bareType(declared)
  const isWords = isText(content)
  if (isWords && Object.hasOwn(textTypes, bare)) {
    if (looksLikeMarkup(content)) return unknownType
    return { contentType: `${bare}; charset=utf-8`, extensions: textTypes[bare]! }
  }
  const found = await detect(content)
  if (found === undefined) return unknownType
  const contentType = bareType(found.mime)
  // Two letters make a BMP; pictures and sounds that are legible as a whole are something else as well.
  const isShown = contentType === 'application/pdf' || (shownTypes.test(contentType) && !isWords)
  return isShown ? { contentType, extensions: [found.ext, ...(aliases[found.ext] ?? [])] } : unknownType
}
