/** The matrix as text: a table for a terminal and a page alike, the reasons of what did not pass, versions and the date. */
import { STEPS, TITLES, type Cell, type Row } from './matrix.ts'

const BEGIN = '<!-- matrix: written by `npm run matrix -- --write` -->'
const END = '<!-- /matrix -->'

export interface Report {
  readonly rows: readonly Row[]
  readonly versions: readonly string[]
  /** YYYY-MM-DD */
  readonly date: string
}

/** Reasons get a number, the same one for the same reason. */
function numbered(rows: readonly Row[]): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>()
  for (const { cells } of rows) {
    for (const { reason } of cells) {
      if (reason !== undefined && !numbers.has(reason)) numbers.set(reason, numbers.size + 1)
    }
  }
  return numbers
}

/** In one line, and without what Markdown or a table would take for its own. */
const inLine = (text: string): string =>
  text
    .trim()
    .replace(/\s+/g, ' ')
    .replace(/[|<>`]/g, "'")
    .slice(0, 500)

export function renderReport({ rows, versions, date }: Report): string {
  const numbers = numbered(rows)
  const cellText = ({ outcome, reason }: Cell): string => (reason === undefined ? outcome : `${outcome} (${numbers.get(reason)})`)
  const table = [
    ['database', 'storage', ...STEPS.map(([step]) => step)],
    ['---', '---', ...STEPS.map(() => '---')],
    ...rows.map(({ database, storage, cells }) => [TITLES[database], TITLES[storage], ...cells.map(cellText)]),
  ]
  const reasons = [...numbers].map(([reason, number]) => `${number}. ${inLine(reason)}`)
  return [
    ...table.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    ...(reasons.length > 0 ? [...reasons, ''] : []),
    `Run on ${date} with ${versions.join(', ')}.`,
  ].join('\n')
}

/** The page with the report in its marked block. */
export function withReport(page: string, report: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`the page has no block between ${BEGIN} and ${END}`)
  return `${page.slice(0, begin + BEGIN.length)}\n\n${report}\n\n${page.slice(end)}`
}

export const hasFailed = (rows: readonly Row[]): boolean =>
  rows.some(({ cells }) => cells.some(({ outcome }) => outcome === 'failed'))
