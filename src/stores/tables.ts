/**
 * The declarations of `entities.ts` in the form that engines work with: columns by position, rows as arrays of scalar
 * values. What a value may be is checked here, once for all engines, so that none accepts or changes what another refuses.
 * A value that breaks the declaration is a `TypeError`: a bug of the caller.
 */
import { entities } from './entities.ts'
import type { ColumnType, EntityDeclaration, Json } from './entities.ts'
import type { Version } from './store.ts'

/** A column's value inside an engine. JSON is its text. */
export type Value = string | number | boolean | null
export type ScalarType = 'text' | 'integer' | 'boolean' | 'json'

export interface Column {
  readonly name: string
  readonly type: ScalarType
  readonly nullable: boolean
  /** Numbered by the database when a row is inserted. */
  readonly drawn: boolean
}

export interface Index {
  readonly name: string
  /** Positions of the declared columns. */
  readonly columns: readonly number[]
  /** The total order: the declared columns, then the columns of the key that they lack. */
  readonly order: readonly number[]
  readonly unique: boolean
}

export interface Table {
  readonly entity: string
  readonly columns: readonly Column[]
  /** Of the columns, and `version`: what a row may have. */
  readonly names: ReadonlySet<string>
  readonly key: readonly number[]
  /** The columns that are written. */
  readonly written: readonly number[]
  /** All indexes; the key is the first, called `primary`. */
  readonly indexes: readonly Index[]
}

type Fields = Readonly<Record<string, unknown>>

/** Turns a declaration into a table, refusing declarations that engines can't keep alike. */
export function compileTable(entity: string, declaration: EntityDeclaration): Table {
  const columns = Object.entries(declaration.columns).map(([name, type]) => compileColumn(name, type))
  const positions = (index: string, names: readonly string[]): number[] =>
    names.map((name) => {
      const position = columns.findIndex((column) => column.name === name)
      const column = columns[position]
      if (column === undefined) throw new TypeError(`${entity}.${index} names the undeclared column ${name}`)
      if (column.type === 'json') throw new TypeError(`${entity}.${index}: the JSON column ${name} has no order`)
      return position
    })
  const key = positions('primary', declaration.key)
  if (key.some((position) => columns[position]?.nullable)) throw new TypeError(`${entity}: a key has no nullable columns`)
  const index = (name: string, names: readonly string[], unique: boolean): Index => {
    const declared = positions(name, names)
    return { name, columns: declared, order: [...declared, ...key.filter((position) => !declared.includes(position))], unique }
  }
  const others = Object.entries(declaration.indexes).map(([name, { columns: names, unique }]) =>
    index(name, names, unique === true),
  )
  const written = columns.map((_, position) => position).filter((position) => columns[position]?.drawn !== true)
  const names = new Set([...columns.map(({ name }) => name), 'version'])
  return { entity, columns, names, key, written, indexes: [index('primary', declaration.key, true), ...others] }
}

function compileColumn(name: string, declared: ColumnType): Column {
  if (declared === 'drawn') return { name, type: 'integer', nullable: true, drawn: true }
  const nullable = declared.endsWith('?')
  return { name, type: (nullable ? declared.slice(0, -1) : declared) as ScalarType, nullable, drawn: false }
}

const tables = new Map(Object.entries(entities).map(([entity, declaration]) => [entity, compileTable(entity, declaration)]))

export const allTables: readonly Table[] = [...tables.values()]

export function tableOf(entity: string): Table {
  const table = tables.get(entity)
  if (table === undefined) throw new TypeError(`Undeclared entity: ${entity}`)
  return table
}

export function indexOf(table: Table, name: string): Index {
  const index = table.indexes.find((candidate) => candidate.name === name)
  if (index === undefined) throw new TypeError(`Undeclared index: ${table.entity}.${name}`)
  return index
}

export function columnOf(table: Table, name: string): number {
  const position = table.columns.findIndex((column) => column.name === name)
  if (position === -1) throw new TypeError(`Undeclared column: ${table.entity}.${name}`)
  return position
}

/** A whole row, in the order of the columns; what the database draws is null, unless it is wanted. A `version` in it is passed over, so that a read row can be spread. */
export function encodeRow(table: Table, row: Fields, withDrawn = false): Value[] {
  const { columns } = table
  const values: Value[] = []
  for (const column of columns) values.push(column.drawn && !withDrawn ? null : encodeValue(table, column, row[column.name]))
  for (const name of Object.keys(row)) {
    if (!table.names.has(name)) throw new TypeError(`Undeclared column: ${table.entity}.${name}`)
  }
  return values
}

/** Of a row, the key and these columns; the others are null. */
export function encodePart(table: Table, positions: readonly number[], row: Fields): Value[] {
  const values: Value[] = Array.from({ length: table.columns.length }, () => null)
  for (const part of [table.key, positions]) {
    for (const position of part) {
      const column = table.columns[position] as Column
      values[position] = encodeValue(table, column, row[column.name])
    }
  }
  return values
}

/** The values of some columns of `fields`, all of which must be there. */
export function encodeColumns(table: Table, positions: readonly number[], fields: Fields): Value[] {
  const values: Value[] = []
  for (const position of positions) {
    const column = table.columns[position] as Column
    values.push(encodeValue(table, column, fields[column.name]))
  }
  return values
}

export function decodeRow(table: Table, values: readonly Value[], version: Version): Fields {
  const { columns } = table
  const row: Record<string, unknown> = {}
  for (let position = 0; position < columns.length; position++) {
    const { name, type } = columns[position] as Column
    const value = values[position] as Value
    row[name] = type === 'json' ? decodeJson(value) : value
  }
  row['version'] = version
  return Object.freeze(row)
}

export const decodeJson = (value: Value): Json => (value === null ? null : deepFreeze(JSON.parse(value as string) as Json))

function encodeValue(table: Table, column: Column, value: unknown): Value {
  if (value === null && column.nullable) return null
  switch (column.type) {
    case 'text':
      if (typeof value === 'string' && value.isWellFormed()) return value
      break
    case 'integer':
      // Adding 0 makes -0 the 0 that it will be when it is read back.
      if (typeof value === 'number' && Number.isSafeInteger(value)) return value + 0
      break
    case 'boolean':
      if (typeof value === 'boolean') return value
      break
    case 'json':
      if (isJson(value)) return JSON.stringify(value)
  }
  throw new TypeError(`${table.entity}.${column.name} must be ${describe(column)}, not ${describeValue(value)}`)
}

function describe({ type, nullable }: Column): string {
  const noun = { text: 'well-formed text', integer: 'a safe integer', boolean: 'a boolean', json: 'plain JSON' }[type]
  return nullable ? `${noun} or null` : noun
}

/** Kinds only: values may be secrets. */
function describeValue(value: unknown): string {
  if (typeof value === 'string') return value.isWellFormed() ? 'text' : 'text with a lone surrogate'
  return value === null ? 'null' : typeof value
}

function isJson(value: unknown): value is Json {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed()
    case 'number':
      return Number.isFinite(value)
    case 'boolean':
      return true
    case 'object':
      if (value === null) return true
      if (Array.isArray(value)) return value.every(isJson)
      return isPlainObject(value) && Object.entries(value).every(([key, member]) => key.isWellFormed() && isJson(member))
    default:
      return false
  }
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  // An own `toJSON` would make JSON.stringify write something else than what was checked.
  return (prototype === Object.prototype || prototype === null) && typeof (value as { toJSON?: unknown }).toJSON !== 'function'
}

function deepFreeze(value: Json): Json {
  if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member as Json)
    Object.freeze(value)
  }
  return value
}

/** The order of a column: `null`, then false before true, numbers, or text by code point. */
export function compareValues(left: Value, right: Value): number {
  if (left === right) return 0
  if (left === null) return -1
  if (right === null) return 1
  if (typeof left === 'string') return compareText(left, right as string)
  return left < right ? -1 : 1
}

/** Code-point order, which is the order of UTF-8 bytes: surrogates (U+10000 and up) go behind U+E000..U+FFFF. */
function compareText(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let i = 0; i < length; i++) {
    const a = left.charCodeAt(i)
    const b = right.charCodeAt(i)
    if (a !== b) return codePointRank(a) - codePointRank(b)
  }
  return left.length - right.length
}

const codePointRank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)
