/**
 * A batch as what is sent of it. Rows that one step after the other inserts into a table go in one statement: what a statement
 * costs, here and in the server, is several times what a row costs.
 */
import type { SqlValue } from './dialect.ts'
import { itemOf } from './postgres-connection.ts'
import type { Item } from './postgres-connection.ts'
import type { BoundStatement, Statement } from './statements.ts'

export interface Items {
  readonly items: readonly Item[]
  /** For each item the step that it belongs to; undefined where it is of several. */
  readonly stepOf: readonly (number | undefined)[]
}

/**
 * Rows of one statement. Where one of them is refused, the batch is sent again to learn which: batches that many clients make at
 * once have fewer.
 */
const FEWEST_ROWS = 8
const MOST_ROWS = 1000

export function together(steps: readonly BoundStatement[]): Items {
  const items: Item[] = []
  const stepOf: (number | undefined)[] = []
  for (let from = 0, end: number; from < steps.length; from = end) {
    const { statement } = steps[from] as BoundStatement
    end = from + 1
    while (end < steps.length && end - from < MOST_ROWS && steps[end]?.statement === statement) end++
    if (statement.many !== undefined && end - from >= FEWEST_ROWS) {
      items.push(manyOf(statement.many, steps.slice(from, end)))
      stepOf.push(undefined)
    } else {
      for (let at = from; at < end; at++) add(items, stepOf, steps[at] as BoundStatement, at)
    }
  }
  return { items, stepOf }
}

/** To learn which step it is that fails. */
export function oneByOne(steps: readonly BoundStatement[]): Items {
  const items: Item[] = []
  const stepOf: number[] = []
  steps.forEach((step, position) => add(items, stepOf, step, position))
  return { items, stepOf }
}

function add(items: Item[], stepOf: (number | undefined)[], step: BoundStatement, position: number): void {
  for (let part: BoundStatement | undefined = step; part !== undefined; part = part.second) {
    items.push(itemOf(part.statement, part.parameters))
    stepOf.push(position)
  }
}

function manyOf(statement: Statement, rows: readonly BoundStatement[]): Item {
  const parameters: SqlValue[] = []
  for (let at = 0; at < statement.parameters - 1; at++) parameters.push(arrayOf(rows, at))
  return itemOf(statement, [...parameters, rows.length])
}

/** An array in PostgreSQL's text form. */
function arrayOf(rows: readonly BoundStatement[], at: number): string {
  let text = ''
  for (const { parameters } of rows) text += `${text === '' ? '{' : ','}${elementOf(parameters[at] as SqlValue)}`
  return `${text}}`
}

const NEEDS_ESCAPE = /["\\]/

function elementOf(value: SqlValue): string {
  if (value === null) return 'NULL'
  if (typeof value !== 'string') return String(value)
  return `"${NEEDS_ESCAPE.test(value) ? value.replaceAll(/["\\]/g, String.raw`\$&`) : value}"`
}
