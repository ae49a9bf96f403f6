// Which of the files that are known by an address only are to be fetched for a mail. Pure.
import type { SmsEvent } from '../event.ts'
import { bareType } from './sniff.ts'

/** Files fetched for one message. Our choice: an MMS seldom holds more. */
const mostFiles = 10

/** How the parts of an MMS are arranged on a screen; of no use outside of it. */
export const isLayout = (contentType: string): boolean =>
  /^application\/smil(\+xml)?$/.test(bareType(contentType))

const isWebAddress = (url: string): boolean => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)

/** By event, in order; each address once. */
export const linksToFetch = (events: readonly SmsEvent[]): string[] => {
  const urls = events.flatMap(({ media }) =>
    media
      .filter(
        ({ data, url, contentType }) => !data && url !== null && isWebAddress(url) && !isLayout(contentType),
      )
      .slice(0, mostFiles)
      .map(({ url }) => url!),
  )
  return [...new Set(urls)]
}
