// The HTML of a letter: one column, inline styles, nothing loaded from anywhere, no link made from the text of
// a message. Pure; everything passes through escapeHtml on its way in.
import { escapeHtml as safe } from './legible.ts'
import type { Content, Fact, Opening, Section, TryRow } from './wording.ts'

const font = 'font-family:-apple-system,BlinkMacSystemFont,Segoe UI,Roboto,Helvetica,Arial,sans-serif'
// Half-transparent greys stand on white and on the black that many mail programs make of it.
const faint = 'border:0;border-top:1px solid rgba(128,128,128,.35)'
const wrap = 'overflow-wrap:anywhere;word-break:break-word'

const paragraph = (text: string, style = ''): string =>
  `<p style="margin:0 0 16px;${wrap};${style}">${safe(text)}</p>`

const noteHtml = (note: string): string => paragraph(note, 'font-size:14px;opacity:.7')

// Some mail programs know no `white-space`, hence a tag for every line end.
const messageBox = (message: string): string =>
  `<div dir="auto" style="margin:0 0 16px;padding:14px 16px;border-left:4px solid #2563eb;background:rgba(128,128,128,.12);font-size:18px;line-height:1.5;white-space:pre-wrap;${wrap};unicode-bidi:isolate">${safe(message).replaceAll('\n', '<br>')}</div>`

const callButton = (number: string): string =>
  `<p style="margin:0 0 20px"><a href="tel:${safe(number)}" style="display:inline-block;padding:12px 20px;background:#2563eb;color:#ffffff;text-decoration:none;border-radius:6px;font-weight:600">Call ${safe(number)}</a></p>`

const factRow = ({ label, value }: Fact): string =>
  `<tr><td style="padding:2px 14px 2px 0;opacity:.7;vertical-align:top">${safe(label)}</td><td style="padding:2px 0;${wrap}"><bdi>${safe(value)}</bdi></td></tr>`

const table = (rows: string, style: string): string =>
  `<table role="presentation" cellpadding="0" cellspacing="0" style="margin:0 0 16px;border-collapse:collapse;${style}">${rows}</table>`

const tryRow = ({ n, at, outcome, took }: TryRow): string => {
  const cell = (text: string, style = '') =>
    `<td style="padding:1px 12px 1px 0;vertical-align:top;${style}">${safe(text)}</td>`
  return `<tr>${cell(String(n), 'text-align:right')}${cell(at)}${cell(took, 'text-align:right;white-space:nowrap')}${cell(outcome, wrap)}</tr>`
}

/** A null note stands elsewhere. */
const sectionHtml = (section: Section, note: string | null): string =>
  [
    paragraph(section.lead, 'font-size:17px;font-weight:600'),
    section.news === null ? '' : paragraph(section.news),
    section.message === null ? '' : messageBox(section.message),
    ...section.remarks.map((remark) => paragraph(remark)),
    section.callable === null ? '' : callButton(section.callable),
    `<hr style="${faint};margin:0 0 16px">`,
    table(section.facts.map(factRow).join(''), 'font-size:15px'),
    note === null ? '' : noteHtml(note),
    `<div style="${faint};padding-top:14px;font-size:13px;opacity:.8">`,
    paragraph('For your developer', 'font-weight:600;margin-bottom:6px'),
    ...section.developer.map((line) => paragraph(line, 'margin-bottom:6px')),
    section.tries.length === 0 ? '' : table(section.tries.map(tryRow).join(''), 'font-size:13px'),
    '</div>',
  ].join('')

const openingHtml = ({ lead, contents }: Opening, note: string): string =>
  [
    paragraph(lead, 'font-size:17px;font-weight:600'),
    contents.length === 0
      ? ''
      : `<div style="margin:0 0 16px;font-size:15px;${wrap}">${contents.map((line) => `<div><bdi>${safe(line)}</bdi></div>`).join('')}</div>`,
    noteHtml(note),
  ].join('')

const divider = '<hr style="border:0;border-top:3px solid #2563eb;margin:24px 0">'

export const htmlOf = (title: string, { opening, sections, note }: Content): string =>
  [
    '<!doctype html><html><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${safe(title)}</title></head>`,
    `<body style="margin:0;padding:20px 16px;${font};font-size:16px;line-height:1.45">`,
    '<div style="max-width:600px;margin:0 auto">',
    ...(opening
      ? [openingHtml(opening, note), ...sections.map((section) => divider + sectionHtml(section, null))]
      : sections.map((section) => sectionHtml(section, note))),
    '</div></body></html>\n',
  ].join('\n')
