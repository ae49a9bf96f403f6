// What a stranger wrote, made harmless to show: in a text, on one line, and in HTML. Pure.

// Marks that turn the reading direction: they would let a sender rearrange the words around theirs.
const bidi = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g
const loneSurrogate = /\p{Cs}/gu

/** U+2400 and on are the pictures of the control characters: ␀ for NUL. C1 controls have none. */
const picture = (character: string): string => {
  const code = character.charCodeAt(0)
  if (code < 0x20) return String.fromCharCode(0x2400 + code)
  return code === 0x7f ? '\u2421' : '\ufffd'
}

/**
 * The whole text. Line ends become `\n`; control characters other than tab become their visible pictures
 * (␀), lone surrogates become U+FFFD. Nothing else changes.
 */
export const legible = (text: string): string =>
  text
    .replace(/\r\n?|[\u2028\u2029\u0085]/g, '\n')
    .replace(control, picture)
    .replace(loneSurrogate, '\ufffd')

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' })

// A family of four with their skin tones has 19 code units; a stack of a thousand accents is one character too.
const unitsPerGrapheme = 32

/** On one line, without control and bidi characters, at most `limit` visible characters, `…` included. */
export const oneLine = (text: string, limit: number): string => {
  const line = text
    .replace(bidi, '')
    .replace(loneSurrogate, '\ufffd')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
  const kept: string[] = []
  for (const { segment } of graphemes.segment(line)) {
    if (kept.length === limit) return `${kept.slice(0, -1).join('').trimEnd()}…`
    kept.push(segment.length > unitsPerGrapheme ? String.fromCodePoint(segment.codePointAt(0)!) : segment)
  }
  return kept.join('')
}

/** How many characters a reader sees. */
export const visibleLength = (text: string): number => [...graphemes.segment(text)].length

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => entities[character]!)
