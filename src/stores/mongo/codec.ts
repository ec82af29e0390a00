/**
 * Keys and rows as documents. A row's place in an index, its key included, is one string: its parts one after the other, in
 * a form whose order is that of the rows in every server, whether it compares text by UTF-8 bytes or by UTF-16 units, and
 * whatever it does about nulls. So a listing is a range of one field, and a shard key `_id` begins with tenant and catalog.
 */
import type { Version } from '../store.ts'
import { decodeRow } from '../tables.ts'
import type { Index, Table, Value } from '../tables.ts'

/** What a document says of a row: its version, its columns by name (JSON as text), its places in the secondary indexes. */
export interface Content {
  readonly v: Version
  readonly c: { readonly [column: string]: Value }
  readonly i: { readonly [index: string]: string }
}

/** Sorts behind every part, and in front of none. */
const BEHIND_ALL = '\uE001'
// oxlint-disable-next-line no-control-regex -- U+0000 is what these look for
const SPECIAL = /[\u0000\uD800-\uFFFF]/
// oxlint-disable-next-line no-control-regex
const EACH_SPECIAL = /\u0000|[\uE000-\uFFFF]|[\uD800-\uDBFF][\uDC00-\uDFFF]/g

/** A part ends with two U+0000; one that is text becomes U+0000 U+0001. From U+E000 on, the two orders of text differ. */
function textPart(text: string): string {
  return SPECIAL.test(text) ? `${text.replace(EACH_SPECIAL, escape)}\0\0` : `${text}\0\0`
}

function escape(character: string): string {
  if (character === '\0') return '\0\u0001'
  const point = character.codePointAt(0) as number
  return `\uE000${String.fromCharCode(0x20 + (point >> 12), 0x100 + (point & 0xfff))}`
}

function part(value: Value): string {
  if (value === null) return '0'
  if (typeof value === 'string') return `1${textPart(value)}`
  if (typeof value === 'boolean') return value ? '11' : '10'
  // As many digits for each, and none negative.
  return `1${(BigInt(value) + 0x20_0000_0000_0000n).toString(16).padStart(14, '0')}`
}

/** Values of the first columns of an index's order, as the beginning of their string. */
export function encodeParts(table: Table, positions: readonly number[], values: readonly Value[]): string {
  let encoded = ''
  for (let i = 0; i < values.length; i++) {
    const column = table.columns[positions[i] as number]
    const value = values[i] as Value
    encoded += column?.type === 'text' && !column.nullable ? textPart(value as string) : part(value)
  }
  return encoded
}

export const encodeKey = (table: Table, key: readonly Value[]): string => encodeParts(table, table.key, key)

const pick = (values: readonly Value[], positions: readonly number[]): Value[] =>
  positions.map((position) => values[position] as Value)

export const idOf = (table: Table, values: readonly Value[]): string => encodeKey(table, pick(values, table.key))

/** The values of a unique index, for which the reservation is kept. Where one of them is null there is none. */
export function uniqueIdOf(table: Table, index: Index, values: readonly Value[]): string | undefined {
  const own = pick(values, index.columns)
  return own.includes(null) ? undefined : encodeParts(table, index.columns, own)
}

export function encodeContent(table: Table, values: readonly Value[], version: Version): Content {
  const columns: Record<string, Value> = {}
  table.columns.forEach(({ name }, position) => (columns[name] = values[position] as Value))
  const places: Record<string, string> = {}
  for (const index of table.indexes.slice(1)) places[index.name] = encodeParts(table, index.order, pick(values, index.order))
  return { v: version, c: columns, i: places }
}

/** A column that is younger than the document is empty. */
export const valuesOf = (table: Table, content: Content): Value[] => table.columns.map(({ name }) => content.c[name] ?? null)

export function decodeContent(table: Table, content: Content): object {
  return decodeRow(table, valuesOf(table, content), content.v)
}

/** A row's place in an index. */
export const placeOf = (index: string, id: string, content: Content): string =>
  index === 'primary' ? id : (content.i[index] as string)

/** All places that begin with these values. */
export function rangeOf(table: Table, index: Index, equal: readonly Value[]): { from: string; to: string } {
  const from = encodeParts(table, index.order, equal)
  return { from, to: from + BEHIND_ALL }
}
