// The files that came with the messages of one mail: what is attached, and what has to be said instead. Names
// and types are the sender's, and are not believed.
import type { OutcomeCode } from '../delivery.ts'
import type { Media, SmsEvent } from '../event.ts'
import { fileName, numbered, plainName } from './file-name.ts'
import { isLayout, linksToFetch } from './links.ts'
import { bareType, typeOf, unknownType } from './sniff.ts'

export type Attachment = {
  filename: string
  contentType: string
  /** Nothing is shown unasked, pictures neither. */
  contentDisposition: 'attachment'
  content: Buffer
}

/** Why a file was not fetched: the status of an answer, or what went wrong. */
export type FetchFault = number | OutcomeCode | 'too-large' | 'empty'

/**
 * Gets files by their addresses, one result for each, in order. `mostBytes` is for all together. The addresses
 * are strangers'. Never rejects, and ends in a time fit for a mail that waits.
 */
export type FetchFiles = (
  urls: readonly string[],
  mostBytes: number,
) => Promise<({ content: Buffer; contentType: string } | { fault: FetchFault })[]>

/** The files of one message. */
export type Enclosed = {
  attachments: Attachment[]
  /** Came along, but the mail would have become too large. */
  leftOut: { name: string; bytes: number }[]
  /** Names of those that came without bytes. */
  unreadable: string[]
  /** Known by an address only; `fault` is null when nobody asked to fetch it. */
  links: { url: string; fault: FetchFault | null }[]
}

/** Bytes of all files in one mail. Base64 makes 14 MB of them; mail servers commonly take 20 to 25 MB. */
export const mostAttachedBytes = 10 * 1024 * 1024

const nothing = (): Enclosed => ({ attachments: [], leftOut: [], unreadable: [], links: [] })

/** What an address calls its file. */
const lastPart = (url: string): string => {
  const part = URL.canParse(url) ? new URL(url).pathname.split('/').at(-1)! : ''
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const isUnsaid = (contentType: string): boolean =>
  /^(application\/octet-stream)?$/.test(bareType(contentType))

/** One file on its way into a mail; `n` is its place in its message. */
type Coming = { to: Enclosed; file: Media; n: number }

/** Nothing is attached, nor looked at: what came is named. */
export const listed = (events: readonly SmsEvent[]): Enclosed[] =>
  events.map(({ media }) => {
    const all = nothing()
    media.forEach((file, index) => {
      const bytes = Buffer.byteLength(file.data ?? '', 'base64')
      if (isLayout(file.contentType)) return
      if (bytes > 0) all.leftOut.push({ name: plainName(file.name, index + 1), bytes })
      else if (file.url !== null) all.links.push({ url: file.url, fault: null })
      else all.unreadable.push(plainName(file.name, index + 1))
    })
    return all
  })

/** For the messages of one mail, in order. Without `fetchFiles` addresses are only listed. Never rejects. */
export const enclose = async (
  events: readonly SmsEvent[],
  fetchFiles: FetchFiles | null = null,
): Promise<Enclosed[]> => {
  const all = events.map(nothing)
  const coming = events.flatMap(({ media }, index) =>
    media.map((file, place): Coming => ({ to: all[index]!, file, n: place + 1 })),
  )
  const taken = new Set<string>()
  let leftBytes = mostAttachedBytes

  /** What the file is called when it does not fit; null when it is attached, or better forgotten. */
  const attach = async (
    { to, file, n }: Coming,
    content: Buffer,
    fetched?: { url: string; type: string },
  ) => {
    const declared = fetched && isUnsaid(file.contentType) ? fetched.type : file.contentType
    const type = await typeOf(content, declared)
    if (type === unknownType && isLayout(declared)) return null
    const name = fileName(file.name || (fetched ? lastPart(fetched.url) : null), type, n)
    if (content.length > leftBytes) return name
    leftBytes -= content.length
    to.attachments.push({
      filename: numbered(name, taken),
      contentType: type.contentType,
      contentDisposition: 'attachment',
      content,
    })
    return null
  }

  const linked: (Coming & { url: string })[] = []
  for (const one of coming) {
    const { to, file, n } = one
    const content = Buffer.from(file.data ?? '', 'base64')
    if (content.length > 0) {
      const name = await attach(one, content)
      if (name !== null) to.leftOut.push({ name, bytes: content.length })
    } else if (!isLayout(file.contentType)) {
      if (file.url !== null) linked.push({ ...one, url: file.url })
      else to.unreadable.push(plainName(file.name, n))
    }
  }

  const urls = fetchFiles === null ? [] : linksToFetch(events)
  const results = fetchFiles === null || urls.length === 0 ? [] : await fetchFiles(urls, leftBytes)
  for (const one of linked) {
    const { to, url } = one
    const result = results[urls.indexOf(url)]
    if (result === undefined) to.links.push({ url, fault: null })
    else if ('fault' in result) to.links.push({ url, fault: result.fault })
    else if (result.content.length === 0) to.links.push({ url, fault: 'empty' })
    else if ((await attach(one, result.content, { url, type: result.contentType })) !== null)
      to.links.push({ url, fault: 'too-large' })
  }
  return all
}
