// What two spellings of an address have in common: by it the events of one person are found.

/**
 * Numbers by their digits, without `+` and `00`; names by their letters and digits, whatever their case; email
 * addresses as they are, in lower case. Empty where nothing is left to compare.
 */
export const addressKey = (raw: string): string => {
  const text = raw.normalize('NFKC').trim().toLowerCase()
  if (text.includes('@')) return text
  const plain = text.replace(/[^\p{L}\p{N}]/gu, '')
  return /\p{L}/u.test(plain) ? plain : plain.replace(/^00/, '')
}

const shortestNumber = 7

/**
 * Whether a text that nobody could read may hold the address: in doubt it does. A short code must stand alone,
 * since a few digits in a row are in every text.
 */
export const mayHold = (text: string, key: string): boolean => {
  const plain = text.normalize('NFKC').toLowerCase()
  if (key.includes('@')) return plain.includes(key)
  if (/^\p{N}+$/u.test(key)) {
    if (key.length < shortestNumber) return plain.split(/\P{N}+/u).includes(key)
    return plain.replace(/\P{N}/gu, '').includes(key)
  }
  return plain.replace(/[^\p{L}\p{N}]/gu, '').includes(key)
}
