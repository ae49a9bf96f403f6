// Names of files that a stranger chose, made safe to save under. Pure.
import { oneLine } from './legible.ts'
import type { FileType } from './sniff.ts'

/** Visible characters, and bytes, of a name without its extension: file systems take 255 bytes in all. */
const longestName = 60
const mostNameBytes = 150

/** What Windows takes for a device, whatever follows the dot. */
const devices = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)/i

// Joiners are format characters as well, but some scripts and many emoji need them.
const invisible = /(?![\u200c\u200d])\p{Cf}/gu

/** Without path, control and invisible characters, and what file systems refuse. */
const bare = (name: string): string =>
  name
    .normalize('NFC')
    .split(/[/\\]/)
    .at(-1)!
    .replace(/[<>:"|?*\p{Cc}]/gu, '_')
    .replace(invisible, '')
    .trim()

const bounded = (stem: string): string => {
  const characters = [...oneLine(stem, longestName)]
  while (Buffer.byteLength(characters.join('')) > mostNameBytes) characters.pop()
  return characters.join('')
}

/** Dots at the beginning hide a file, and Windows drops those at the end. */
const undotted = (text: string): string => text.replace(/^[.\s]+|[.\s]+$/g, '')

const split = (name: string): { stem: string; extension: string } => {
  const [, stem, extension] = /^(.+)\.([a-z0-9]{1,8})$/i.exec(name) ?? ['', name, '']
  return { stem: stem!, extension: extension! }
}

const agrees = (extension: string, { extensions }: FileType): boolean =>
  extensions.includes(extension.toLowerCase())

/** The extension is the type's: `photo.jpg.exe` with the bytes of a JPEG is `photo.jpg`. */
const parts = (name: string, type: FileType, isKnown: boolean): { stem: string; extension: string } => {
  const whole = split(name)
  if (agrees(whole.extension, type)) return whole
  // What it was meant to be is all there is to know about bytes of no known type.
  if (!isKnown || !/[a-z]/i.test(whole.extension)) return { stem: name, extension: type.extensions[0] }
  const inner = split(whole.stem)
  return agrees(inner.extension, type) ? inner : { stem: whole.stem, extension: type.extensions[0] }
}

/** To speak of a file that is not there. `n` names one that has no name of its own. */
export const plainName = (name: string | null, n: number): string =>
  undotted(bounded(undotted(bare(name ?? '')))) || `attachment-${n}`

/** `n` names a file that has no name of its own. */
export const fileName = (name: string | null, type: FileType, n: number): string => {
  const isKnown = type.contentType !== 'application/octet-stream'
  const { stem, extension } = parts(undotted(bare(name ?? '')), type, isKnown)
  const safe = plainName(stem, n)
  return `${devices.test(safe) ? '_' : ''}${safe}.${extension}`
}

/** A name that is taken gets a number. Upper and lower case are the same to many file systems. */
export const numbered = (name: string, taken: Set<string>): string => {
  const { stem, extension } = split(name)
  let free = name
  for (let n = 2; taken.has(free.toLowerCase()); n += 1) free = `${stem} (${n}).${extension}`
  taken.add(free.toLowerCase())
  return free
}
