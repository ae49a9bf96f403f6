// The plain text of a letter. Pure.
import type { Content, Section } from './wording.ts'

const rule = '-'.repeat(40)
const doubleRule = '='.repeat(40)

const widest = (cells: readonly string[]): number => Math.max(0, ...cells.map((cell) => cell.length))

const triesOf = ({ tries }: Section): string[] => {
  const numbers = widest(tries.map(({ n }) => String(n)))
  const tooks = widest(tries.map(({ took }) => took))
  return tries.map(
    ({ n, at, took, outcome }) =>
      `  ${String(n).padStart(numbers)}  ${at}  ${took.padStart(tooks)}  ${outcome}`,
  )
}

/** A null note stands elsewhere. */
const paragraphs = (section: Section, note: string | null): string[] => {
  const labels = widest(section.facts.map(({ label }) => label)) + 2
  return [
    section.lead,
    ...(section.news === null ? [] : [section.news]),
    ...(section.message === null ? [] : [section.message]),
    ...(section.remarks.length === 0 ? [] : [section.remarks.join('\n')]),
    [rule, ...section.facts.map(({ label, value }) => `${`${label}:`.padEnd(labels)}${value}`)].join('\n'),
    ...(note === null ? [] : [note]),
    ['For your developer', ...section.developer, ...triesOf(section)].join('\n'),
  ]
}

export const textOf = ({ opening, sections, note }: Content): string => {
  const parts = opening
    ? [
        opening.lead,
        ...(opening.contents.length === 0 ? [] : [opening.contents.join('\n')]),
        note,
        ...sections.flatMap((section) => [doubleRule, ...paragraphs(section, null)]),
      ]
    : sections.flatMap((section) => paragraphs(section, note))
  return `${parts.join('\n\n')}\n`
}
