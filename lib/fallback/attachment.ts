// The files that came with a message, as a letter carries them: names and types are the sender's, and are
// not believed. Pure.
import type { Media } from '../event.ts'
import { oneLine } from './legible.ts'

export type Attachment = { filename: string; contentType: string; content: Buffer }

// Types that a mail program shows without running anything. SVG and HTML carry scripts.
const shownTypes =
  /^(image\/(jpeg|png|gif|webp|heic|heif|bmp|tiff)|audio\/[a-z0-9.+-]+|video\/[a-z0-9.+-]+|text\/(plain|vcard|x-vcard|calendar)|application\/pdf)$/

const safeType = (contentType: string): string => {
  const bare = contentType.split(';')[0]!.trim().toLowerCase()
  return shownTypes.test(bare) ? bare : 'application/octet-stream'
}

const safeName = (name: string | null, index: number): string => {
  const last = (name ?? '').split(/[/\\]/).at(-1)!
  const safe = oneLine(last.replace(/[<>:"|?*\p{Cc}]/gu, '_'), 80).replace(/^\.+/, '')
  return safe === '' ? `attachment-${index + 1}` : safe
}

/** Those whose bytes came along; the others are known by a URL only. */
export const attachmentsOf = (media: readonly Media[]): Attachment[] =>
  media
    .filter((file): file is Media & { data: string } => file.data !== null)
    .map((file, index) => ({
      filename: safeName(file.name, index),
      contentType: safeType(file.contentType),
      content: Buffer.from(file.data, 'base64'),
    }))
