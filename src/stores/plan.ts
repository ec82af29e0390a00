/**
 * What a caller asked for, checked against the declarations and resolved to positions and values. Engines carry plans out;
 * that a call is refused for its form never depends on the engine, and nothing of a batch has happened when it is.
 */
import type { ListOptions, Mutation, Version } from './store.ts'
import { columnOf, encodeColumns, encodePart, encodeRow, indexOf, tableOf } from './tables.ts'
import type { Index, Table, Value } from './tables.ts'
import type { EntityName } from './entities.ts'
import { newVersion } from './versions.ts'

type Fields = Readonly<Record<string, unknown>>

export type Step =
  | { readonly op: 'insert'; readonly table: Table; readonly values: readonly Value[]; readonly version: Version }
  | {
      readonly op: 'replace'
      readonly table: Table
      readonly values: readonly Value[]
      /** The columns to write, where that is not all of them; then the others, but for the key, may be null in `values`. */
      readonly changed?: readonly number[] | undefined
      readonly expected: Version
      readonly version: Version
    }
  | { readonly op: 'remove'; readonly table: Table; readonly key: readonly Value[]; readonly expected: Version | 'any' }
  | { readonly op: 'require'; readonly table: Table; readonly key: readonly Value[]; readonly expected: Version | 'any' | 'none' }
  | { readonly op: 'requireEmpty'; readonly table: Table; readonly index: Index; readonly equal: readonly Value[] }

export interface Listing {
  readonly table: Table
  readonly index: Index
  /** Values of the first columns of the index's order. */
  readonly equal: readonly Value[]
  /** Values of all its other columns, behind which the page starts. */
  readonly after: readonly Value[] | undefined
  readonly descending: boolean
  readonly limit: number
}

export const planKey = (table: Table, key: object): Value[] => encodeColumns(table, table.key, key as Fields)

/** `inPart`: of rows that change in part, the engine takes that part alone. */
export function planBatch(mutations: readonly Mutation[], inPart = false): Step[] {
  return mutations.map((mutation) => planStep(mutation, inPart))
}

function planStep(mutation: Mutation, inPart: boolean): Step {
  const table = tableOf(mutation.entity)
  switch (mutation.op) {
    case 'insert':
      return { op: 'insert', table, values: encodeRow(table, mutation.row), version: newVersion() }
    case 'replace': {
      const changed = mutation.changed && planChanged(table, mutation.changed)
      return {
        op: 'replace',
        table,
        values: inPart && changed ? encodePart(table, changed, mutation.row) : encodeRow(table, mutation.row, true),
        changed,
        expected: checkExpected(table, mutation.expected, []),
        version: newVersion(),
      }
    }
    case 'remove':
      return {
        op: 'remove',
        table,
        key: planKey(table, mutation.key),
        expected: checkExpected(table, mutation.expected, ['any']),
      }
    case 'require': {
      const expected = checkExpected(table, mutation.expected, ['any', 'none'])
      return { op: 'require', table, key: planKey(table, mutation.key), expected }
    }
    case 'requireEmpty': {
      const index = indexOf(table, mutation.index)
      return { op: 'requireEmpty', table, index, equal: planEqual(table, index, mutation.where) }
    }
    default:
      throw new TypeError(`Unknown step: ${String((mutation as { op: unknown }).op)}`)
  }
}

function planChanged(table: Table, names: readonly string[]): number[] {
  const changed = names.map((name) => columnOf(table, name))
  if (changed.some((position) => table.key.includes(position))) throw new TypeError(`${table.entity}: a key never changes`)
  return changed
}

function checkExpected<W extends string>(table: Table, expected: Version | W, words: readonly W[]): Version | W {
  if (Number.isSafeInteger(expected) || words.includes(expected as W)) return expected
  throw new TypeError(`${table.entity}: a step expects a version${words.map((word) => ` or '${word}'`).join('')}`)
}

export function planList<E extends EntityName>(entity: E, options: ListOptions<E>): Listing {
  const table = tableOf(entity)
  const index = indexOf(table, options.index)
  const { limit } = options
  if (!Number.isSafeInteger(limit) || limit < 0) throw new TypeError(`${entity}: a page has a limit, not ${String(limit)}`)
  const equal = planEqual(table, index, options.where)
  const after = options.after === undefined ? undefined : planAfter(table, index, equal, options.after)
  return { table, index, equal, after, descending: options.descending === true, limit }
}

function planEqual(table: Table, index: Index, where: object): Value[] {
  const names = Object.keys(where)
  const leading = index.columns.slice(0, names.length)
  if (leading.length < names.length || !leading.every((position) => names.includes(table.columns[position]?.name ?? ''))) {
    throw new TypeError(`${table.entity}.${index.name} can't be searched by ${names.join(', ')}: not its leading columns`)
  }
  return encodeColumns(table, leading, where as Fields)
}

/** Columns of `where` may be left out of `after`, and have the same value when they are in it. */
function planAfter(table: Table, index: Index, equal: readonly Value[], after: object): Value[] {
  const fields = after as Fields
  index.order.slice(0, equal.length).forEach((position, i) => {
    const name = table.columns[position]?.name ?? ''
    if (Object.hasOwn(fields, name) && fields[name] !== equal[i]) {
      throw new TypeError(`${table.entity}.${index.name}: \`after\` is outside of \`where\` by its ${name}`)
    }
  })
  return encodeColumns(table, index.order.slice(equal.length), fields)
}
