// Medians, ratios and the tables they are printed in.

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)]!

/** How far apart the rounds were: (highest - lowest) / median, in words. */
export const spread = (values: readonly number[]): string =>
  `${Math.round(((Math.max(...values) - Math.min(...values)) / median(values)) * 100)} %`

export const whole = (value: number): string => Math.round(value).toLocaleString('en')
export const fixed = (value: number, digits = 2): string => value.toFixed(digits)

/** Prints rows under a title; the first column is text, the others are figures. */
export const printTable = (title: string, head: readonly string[], rows: readonly string[][]): void => {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (column === 0 ? (cells[column] ?? '').padEnd(width) : (cells[column] ?? '').padStart(width))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  console.log(`\n${title}\n`)
  for (const text of [line(head), rule, ...rows.map(line)]) console.log(text)
}

/** Says whether an aim is met, in the same words everywhere. */
export const printAim = (what: string, value: number, bound: 'least' | 'most', aim: number): void => {
  const isMet = bound === 'least' ? value >= aim : value <= aim
  console.log(`${isMet ? 'met   ' : 'MISSED'} ${what}: ${fixed(value)}, aim: at ${bound} ${aim}`)
}
