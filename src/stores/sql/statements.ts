/**
 * SQL from the declarations: one statement for each entity, operation and shape (which values are null, which direction),
 * built at first use and kept. Values are always parameters.
 */
import type { Listing, Step } from '../plan.ts'
import { decodeJson, decodeRow } from '../tables.ts'
import type { Index, ScalarType, Table, Value } from '../tables.ts'
import type { Version } from '../store.ts'
import { newVersion } from '../versions.ts'
import { quote } from './dialect.ts'
import type { Dialect, SqlValue } from './dialect.ts'

/**
 * What a step's statement must do for the batch to go on: `written` changes one row, `found` returns a row, `absent` returns
 * none. Reads are `rows`.
 */
export type Expectation = 'rows' | 'written' | 'found' | 'absent'

export interface Statement {
  /** Small and unique in the process, so that drivers can keep prepared statements in arrays. */
  readonly id: number
  readonly sql: string
  readonly parameters: number
  readonly expects: Expectation
  /** The same for many rows at once: each parameter is an array, and a last one says how many rows there are. */
  readonly many?: Statement | undefined
}

export interface BoundStatement {
  readonly statement: Statement
  readonly parameters: readonly SqlValue[]
  /** A second statement of the same step. */
  readonly second?: BoundStatement
}

export type SqlRow = readonly SqlValue[]

/** A read. Columns whose values the caller gave are not read again: `known` are theirs, `selected` come from the database. */
export interface Query {
  readonly statement: Statement
  readonly table: Table
  readonly known: readonly number[]
  readonly selected: readonly number[]
}

/** A listing's query, and which of the values of `after` its parameters are (one may be used twice). */
interface ListQuery extends Query {
  readonly afterUses: readonly number[]
}

let statements = 0

function newStatement(expects: Expectation, sql: string, parameters: number, many?: Statement): Statement {
  return { id: statements++, sql, parameters, expects, many }
}

export class Statements {
  readonly #dialect: Dialect
  readonly #queries = new Map<Table, Query>()
  readonly #lists = new Map<Table, Map<string, ListQuery>>()
  readonly #steps = new Map<Table, Map<string, Statement>>()

  constructor(dialect: Dialect) {
    this.#dialect = dialect
  }

  get(table: Table): Query {
    let query = this.#queries.get(table)
    if (query === undefined) {
      const selected = table.columns.map((_, position) => position).filter((position) => !table.key.includes(position))
      const sql = `select ${this.#selection(table, selected)} from ${quote(table.entity)} where ${this.#equal(table, table.key)}`
      query = { statement: newStatement('rows', sql, table.key.length), table, known: table.key, selected }
      this.#queries.set(table, query)
    }
    return query
  }

  /** Of all columns that are not known, or of one alone. */
  list(listing: Listing, column?: number): { readonly query: Query; readonly parameters: SqlValue[] } {
    const { table, index, equal, after } = listing
    const start = after === undefined ? 'first' : nulls(after)
    const shape = `${index.name} ${nulls(equal)} ${start} ${listing.descending} ${column ?? 'all'}`
    const query = remember(this.#lists, table, shape, () => this.#buildList(listing, column))
    const parameters = this.#encode(table, index.order, equal)
    if (after !== undefined) {
      const values = this.encode(table, index.order.slice(equal.length), after)
      for (const use of query.afterUses) parameters.push(values[use] as SqlValue)
    }
    parameters.push(listing.limit)
    return { query, parameters }
  }

  step(step: Step): BoundStatement {
    const { table } = step
    switch (step.op) {
      case 'insert': {
        const statement = remember(this.#steps, table, 'insert', () => this.#buildInsert(table))
        const parameters: SqlValue[] = []
        this.#encodeOf(table, table.written, step.values, parameters)
        parameters.push(step.version)
        return { statement, parameters }
      }
      case 'replace': {
        const { changed = this.get(table).selected } = step
        const shape = step.changed === undefined ? 'replace' : `replace ${changed.join()}`
        const statement = remember(this.#steps, table, shape, () => this.#buildReplace(table, changed))
        const parameters: SqlValue[] = []
        this.#encodeOf(table, changed, step.values, parameters)
        parameters.push(step.version)
        this.#encodeOf(table, table.key, step.values, parameters)
        parameters.push(step.expected)
        return { statement, parameters }
      }
      case 'remove':
      case 'require': {
        if (step.op === 'require' && step.expected === 'none' && this.#dialect.takesAbsentKeys)
          return this.#takeKey(table, step.key)
        const word = typeof step.expected === 'number' ? 'version' : step.expected
        const build = step.op === 'remove' ? this.#buildRemove : this.#buildRequire
        const statement = remember(this.#steps, table, `${step.op} ${word}`, () => build.call(this, table, word))
        const parameters = this.encode(table, table.key, step.key)
        if (typeof step.expected === 'number') parameters.push(step.expected)
        return { statement, parameters }
      }
      case 'requireEmpty': {
        const { index, equal } = step
        const shape = `empty ${index.name} ${nulls(equal)}`
        const statement = remember(this.#steps, table, shape, () => this.#buildEmpty(table, index, equal))
        return { statement, parameters: this.#encode(table, index.order, equal) }
      }
    }
  }

  /** The values of the first of these columns as the database takes them. */
  encode(table: Table, positions: readonly number[], values: readonly Value[]): SqlValue[] {
    return values.map((value, i) => this.#encodeOne(table, positions[i] as number, value))
  }

  /** Those of these columns among the values of a whole row. */
  #encodeOf(table: Table, positions: readonly number[], row: readonly Value[], into: SqlValue[]): void {
    for (const position of positions) into.push(this.#encodeOne(table, position, row[position] as Value))
  }

  #encodeOne(table: Table, position: number, value: Value): SqlValue {
    const encoder = this.#dialect.encode[table.columns[position]?.type ?? 'text']
    return encoder === undefined || value === null ? value : encoder(value)
  }

  /** A row as the database returned it, with what the caller knew of it. */
  decode({ table, known, selected }: Query, knownValues: readonly Value[], row: SqlRow): object {
    const decoders = this.#dialect.decode
    const values: Value[] = table.columns.map(() => null)
    for (let i = 0; i < known.length && i < knownValues.length; i++) values[known[i] as number] = knownValues[i] as Value
    for (let i = 0; i < selected.length; i++) {
      const position = selected[i] as number
      const value = row[i] as SqlValue
      const decoder = decoders[table.columns[position]?.type ?? 'text']
      values[position] = decoder === undefined || value === null ? value : decoder(value)
    }
    const version = row[selected.length] as SqlValue
    return decodeRow(table, values, (decoders.version === undefined ? version : decoders.version(version)) as Version)
  }

  /** What rows hold that are made of one column. */
  decodeColumn(table: Table, column: number, rows: readonly SqlRow[]): unknown[] {
    const type = table.columns[column]?.type ?? 'text'
    const decoder = this.#dialect.decode[type]
    const values: unknown[] = []
    for (const row of rows) {
      const value = row[0] as SqlValue
      const decoded = decoder === undefined || value === null ? value : decoder(value)
      values.push(type === 'json' ? decodeJson(decoded) : decoded)
    }
    return values
  }

  /** The row that takes the key is never seen. Its other values are free, and differ from those that others take. */
  #takeKey(table: Table, key: readonly Value[]): BoundStatement {
    const version = newVersion()
    const blank: Record<ScalarType, Value> = { text: `taken ${version}`, integer: 0, boolean: false, json: 'null' }
    const values = table.columns.map(({ type, nullable }, position) => {
      const at = table.key.indexOf(position)
      if (at !== -1) return key[at] as Value
      return nullable ? null : blank[type]
    })
    const taken = this.step({ op: 'insert', table, values, version })
    return { ...taken, second: this.step({ op: 'remove', table, key, expected: version }) }
  }

  /** A statement of a step. */
  #newStep(expects: 'written' | 'found' | 'absent', sql: string, parameters: number): Statement {
    return newStatement(expects, this.#dialect.expecting(expects, sql), parameters)
  }

  /** Values for `#equal`, where those that are null have no parameter. */
  #encode(table: Table, positions: readonly number[], values: readonly Value[]): SqlValue[] {
    return this.encode(table, positions, values).filter((value) => value !== null)
  }

  #selection(table: Table, positions: readonly number[]): string {
    return [...positions.map((position) => columnName(table, position)), '"version"'].join(', ')
  }

  /** `a = ? and b is null`: null is spelled out, because no index is used for a comparison that treats it like a value. */
  #equal(table: Table, positions: readonly number[], values?: readonly Value[], firstParameter = 1): string {
    let parameter = firstParameter
    const condition = (position: number, i: number): string =>
      values?.[i] === null
        ? `${columnName(table, position)} is null`
        : `${columnName(table, position)} = ${this.#dialect.placeholder(parameter++)}`
    return positions.map(condition).join(' and ')
  }

  #buildInsert(table: Table): Statement {
    const { written } = table
    const drawn = table.columns.filter((column) => column.drawn).map(({ name }) => name)
    const columns = [...drawn.map(quote), this.#selection(table, written)].join(', ')
    const numbers = drawn.map((name) => this.#dialect.drawn(table.entity, name))
    const values = [...numbers, ...[...written, -1].map((_, i) => this.#dialect.placeholder(i + 1))].join(', ')
    const insert = (rows: string): string => `insert into ${quote(table.entity)} (${columns}) ${rows} on conflict do nothing`
    const sql = this.#dialect.expecting('written', insert(`values (${values})`))
    // Of rows that are inserted together it is not said in which order they are numbered.
    const many = drawn.length > 0 ? undefined : this.#buildInsertMany(table, insert)
    return newStatement('written', sql, written.length + 1, many)
  }

  #buildInsertMany(table: Table, insert: (rows: string) => string): Statement | undefined {
    const { arrays, placeholder, expecting } = this.#dialect
    if (arrays === undefined) return undefined
    const types = [...table.written.map((position) => table.columns[position]!.type), 'version'] as const
    const columns = types.map((type, i) => `cast(${placeholder(i + 1)} as ${arrays[type]})`)
    const sql = expecting('written', insert(`select * from unnest(${columns.join(', ')})`), placeholder(types.length + 1))
    return newStatement('written', sql, types.length + 1)
  }

  #buildReplace(table: Table, rest: readonly number[]): Statement {
    const { placeholder } = this.#dialect
    const set = [...rest.map((position) => columnName(table, position)), '"version"']
    const assignments = set.map((name, i) => `${name} = ${placeholder(i + 1)}`).join(', ')
    const key = this.#equal(table, table.key, undefined, set.length + 1)
    const parameters = set.length + table.key.length + 1
    const sql = `update ${quote(table.entity)} set ${assignments} where ${key} and "version" = ${placeholder(parameters)}`
    return this.#newStep('written', sql, parameters)
  }

  #buildRemove(table: Table, expected: string): Statement {
    const { condition, parameters } = this.#keyCondition(table, expected)
    return this.#newStep('written', `delete from ${quote(table.entity)} where ${condition}`, parameters)
  }

  #buildRequire(table: Table, expected: string): Statement {
    const { condition, parameters } = this.#keyCondition(table, expected)
    const sql = `select 1 from ${quote(table.entity)} where ${condition}${this.#dialect.shareLock}`
    return this.#newStep(expected === 'none' ? 'absent' : 'found', sql, parameters)
  }

  #keyCondition(table: Table, expected: string): { condition: string; parameters: number } {
    const parameters = table.key.length + (expected === 'version' ? 1 : 0)
    const version = expected === 'version' ? ` and "version" = ${this.#dialect.placeholder(parameters)}` : ''
    return { condition: this.#equal(table, table.key) + version, parameters }
  }

  #buildEmpty(table: Table, index: Index, equal: readonly Value[]): Statement {
    const condition = equal.length === 0 ? '' : ` where ${this.#equal(table, index.columns.slice(0, equal.length), equal)}`
    // Asked for in its order, the index is used also where the value is so frequent that any row seems to do.
    const order = index.columns.slice(equal.length).map((position) => this.#ascending(table, position))
    const orderBy = order.length === 0 ? '' : ` order by ${order.join(', ')}`
    const sql = `select 1 from ${this.#source(table, index)}${condition}${orderBy} limit 1`
    return this.#newStep('absent', sql, equal.filter((value) => value !== null).length)
  }

  #buildList({ table, index, equal, after, descending }: Listing, column: number | undefined): ListQuery {
    const { nullOrder, placeholder, limit } = this.#dialect
    const known = index.order.slice(0, equal.length)
    const rest = index.order.slice(equal.length)
    const selected = table.columns.map((_, position) => position).filter((position) => !known.includes(position))
    const conditions = equal.length === 0 ? [] : [this.#equal(table, known, equal)]
    let parameters = equal.filter((value) => value !== null).length
    const afterUses: number[] = []
    if (after !== undefined && rest.length > 0) {
      const use = (i: number): string => {
        afterUses.push(i)
        return placeholder(++parameters)
      }
      conditions.push(behind(table, rest, after, descending, use))
    }
    const where = conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`
    const order = rest
      .map((position) => {
        if (!descending) return this.#ascending(table, position)
        const nulls = table.columns[position]?.nullable === true ? nullOrder.descending : ''
        return `${columnName(table, position)} desc${nulls}`
      })
      .join(', ')
    const orderBy = order === '' ? '' : ` order by ${order}`
    const from = this.#source(table, index)
    const what = column === undefined ? this.#selection(table, selected) : columnName(table, column)
    const sql = `select ${what} from ${from}${where}${orderBy} ${limit(placeholder(parameters + 1))}`
    return { statement: newStatement('rows', sql, parameters + 1), table, known, selected, afterUses }
  }

  #ascending(table: Table, position: number): string {
    return columnName(table, position) + (table.columns[position]?.nullable === true ? this.#dialect.nullOrder.ascending : '')
  }

  #source(table: Table, index: Index): string {
    return this.#dialect.source(table.entity, index.name)
  }
}

/**
 * The rows behind the values of `after`. Row values are compared where nothing can be null, since databases answer them from
 * an index; otherwise column by column with null before everything else.
 */
function behind(
  table: Table,
  positions: readonly number[],
  after: readonly Value[],
  descending: boolean,
  use: (i: number) => string,
): string {
  const operator = descending ? '<' : '>'
  if (!positions.some((position) => table.columns[position]?.nullable)) {
    const names = positions.map((position) => columnName(table, position)).join(', ')
    return `(${names}) ${operator} (${positions.map((_, i) => use(i)).join(', ')})`
  }
  const from = (i: number): string => {
    const position = positions[i] as number
    const name = columnName(table, position)
    const isLast = i === positions.length - 1
    if (after[i] === null) {
      const tie = isLast ? '1 = 0' : `(${name} is null and ${from(i + 1)})`
      return descending ? tie : `(${name} is not null or ${tie})`
    }
    const past = `${name} ${operator} ${use(i)}`
    const beforeAll = descending && table.columns[position]?.nullable ? ` or ${name} is null` : ''
    return `(${past}${beforeAll}${isLast ? '' : ` or (${name} = ${use(i)} and ${from(i + 1)})`})`
  }
  return from(0)
}

const columnName = (table: Table, position: number): string => quote(table.columns[position]?.name ?? '')

const nulls = (values: readonly Value[]): string => values.map((value) => (value === null ? '0' : '1')).join('')

function remember<V>(cache: Map<Table, Map<string, V>>, table: Table, shape: string, build: () => V): V {
  let shapes = cache.get(table)
  if (shapes === undefined) cache.set(table, (shapes = new Map()))
  let value = shapes.get(shape)
  if (value === undefined) shapes.set(shape, (value = build()))
  return value
}
