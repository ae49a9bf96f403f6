// What pruning leaves of an event that stays.
import type { SmsEvent } from '../event.ts'

const noted = (event: SmsEvent, note: string): string[] => [
  ...event.notes.filter((one) => one !== note),
  note,
]

/** Who wrote, to whom, when and of what kind stays. */
export const withoutText = (event: SmsEvent): SmsEvent => ({
  ...event,
  text: null,
  raw: null,
  media: event.media.map((media) => ({ ...media, name: null })),
  notes: noted(event, 'pruned:text'),
})

/** What came holds the files once more. */
export const withoutMedia = (event: SmsEvent): SmsEvent => ({
  ...event,
  raw: null,
  media: event.media.map((media) => ({ ...media, data: null, url: null })),
  notes: noted(event, 'pruned:media'),
})
