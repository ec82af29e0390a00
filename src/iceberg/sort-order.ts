/**
 * Sort orders: checked, and bound to a table. Order 0 is "unsorted" in every table; any other order keeps its id for the
 * life of the table, because data files refer to it. Spec: "Sorting"; reference: TableMetadata.Builder, SortOrder.
 */
import { validationFailed } from './errors.ts'
import type { Schema } from './schema.ts'
import { describe, expectArray, expectInt, expectObject, expectString } from './shape.ts'
import { checkSources, checkSourceShape, mapSources, sameSources, sourceIds, sourceKeys } from './source-columns.ts'
import type { SourceColumns } from './source-columns.ts'
import { parseTransform } from './transforms.ts'

export type SortDirection = 'asc' | 'desc'
export type NullOrder = 'nulls-first' | 'nulls-last'

export type SortField = SourceColumns & {
  readonly transform: string
  readonly direction: SortDirection
  readonly 'null-order': NullOrder
}

export type SortOrder = {
  readonly 'order-id': number
  readonly fields: readonly SortField[]
}

/** As a client sends it: the id is optional and may be changed. */
export type UnboundSortOrder = {
  readonly 'order-id'?: number | null
  readonly fields: readonly SortField[]
}

/** Far beyond any real table. */
const MAX_FIELDS = 1000
export const UNSORTED_ORDER_ID = 0
export const UNSORTED: SortOrder = { 'order-id': UNSORTED_ORDER_ID, fields: [] }

/** Whether two orders sort alike, whatever their ids. */
export function sameSortOrder(a: UnboundSortOrder, b: UnboundSortOrder): boolean {
  return a.fields.length === b.fields.length && a.fields.every((field, i) => sameField(field, b.fields[i] as SortField))
}

function sameField(a: SortField, b: SortField): boolean {
  return (
    sameSources(a, b) &&
    a.direction.toLowerCase() === b.direction.toLowerCase() &&
    a['null-order'].toLowerCase() === b['null-order'].toLowerCase() &&
    (a.transform === b.transform || parseTransform(a.transform).text === parseTransform(b.transform).text)
  )
}

function expectOneOf(value: unknown, words: readonly string[], where: string): void {
  // The reference implementation reads either case.
  if (words.includes(expectString(value, where).toLowerCase())) return
  throw validationFailed(`Invalid ${where}: expected ${words.map(describe).join(' or ')}, got ${describe(value)}`)
}

/** Checks the shape of an order that exists or is sent. */
export function checkSortOrderShape(order: unknown): asserts order is UnboundSortOrder {
  const object = expectObject(order, 'sort order')
  if (object['order-id'] !== undefined && object['order-id'] !== null) expectInt(object['order-id'], 'order-id of sort order')
  expectArray(object['fields'], 'fields of sort order').forEach((item, position) => {
    const where = `sort field ${position}`
    const field = expectObject(item, where)
    parseTransform(expectString(field['transform'], `transform of ${where}`))
    expectOneOf(field['direction'], ['asc', 'desc'], `direction of ${where}`)
    expectOneOf(field['null-order'], ['nulls-first', 'nulls-last'], `null-order of ${where}`)
    checkSourceShape(field, where)
  })
}

/** Throws unless `order` is an order that a client may write for a table of this schema. */
export function checkSortOrder(order: unknown, schema: Schema): asserts order is UnboundSortOrder {
  checkSortOrderShape(order)
  if (order.fields.length > MAX_FIELDS) {
    throw validationFailed(`Invalid sort order: ${order.fields.length} fields, at most ${MAX_FIELDS} are accepted`)
  }
  order.fields.forEach((field, position) => {
    const where = `sort field ${position}`
    checkSources({ field, transform: parseTransform(field.transform), schema, voidOfAny: false, where })
  })
}

export interface BindSortOrder {
  /** As the client sent it. */
  readonly order: unknown
  readonly schema: Schema
  /** The orders that the table has. */
  readonly orders: readonly SortOrder[]
}

export interface BoundSortOrder {
  readonly order: SortOrder
  /** The table had the same order: that is the answer. */
  readonly reused: boolean
}

/**
 * Checks an order that a client sends and makes it one of the table. One that the table has already is not checked again.
 * The id sent does not matter.
 */
export function bindSortOrder({ order, schema, orders }: BindSortOrder): BoundSortOrder {
  checkSortOrderShape(order)
  const same = orders.find((existing) => sameSortOrder(existing, order))
  if (same !== undefined) return { order: same, reused: true }
  checkSortOrder(order, schema)
  const nextId = orders.reduce((next, existing) => Math.max(next, existing['order-id'] + 1), 1)
  const id = order.fields.length === 0 ? UNSORTED_ORDER_ID : nextId
  return { order: { ...order, 'order-id': id, fields: order.fields.map(boundField) }, reused: false }
}

/** The field as the specification writes it. */
function boundField(field: SortField): SortField {
  const { 'source-id': _one, 'source-ids': _many, ...rest } = field
  return {
    ...rest,
    transform: parseTransform(field.transform).text,
    ...sourceKeys(sourceIds(field)),
    direction: field.direction.toLowerCase() as SortDirection,
    'null-order': field['null-order'].toLowerCase() as NullOrder,
  }
}

export interface FreshSortOrder {
  /** As the client sent it; nothing means unsorted. */
  readonly order: unknown
  /** With its new ids. */
  readonly schema: Schema
  /** From the ids that the order uses to those of `schema`. */
  readonly idMap: ReadonlyMap<number, number>
}

/** The first order of a new table: id 1, or 0 when unsorted; sources by their new ids. */
export function freshSortOrder({ order, schema, idMap }: FreshSortOrder): SortOrder {
  if (order === undefined || order === null) return UNSORTED
  checkSortOrderShape(order)
  const fields = order.fields.map((field, position) => {
    const { 'source-id': _one, 'source-ids': _many, ...rest } = field
    return { ...rest, ...mapSources(field, idMap, `sort field ${position}`) }
  })
  return bindSortOrder({ order: { ...order, fields }, schema, orders: [] }).order
}
