/**
 * What a reader needs of a table's partition specs and sort orders next to its current schema. The reference implementation
 * binds each of them to that schema when it opens a table, whichever schema it was made for, and opens none with one that
 * it cannot bind. What a client may write beyond that is the business of `checkPartitionSpec` and `checkSortOrder`.
 * Reference: TableMetadataParser, UnboundPartitionSpec, UnboundSortOrder.
 */
import { validationFailed } from './errors.ts'
import type { PartitionField, PartitionSpec } from './partition-spec.ts'
import { findColumn, schemaIndex, type Schema } from './schema.ts'
import { UNSORTED_ORDER_ID, type SortField, type SortOrder } from './sort-order.ts'
import { sourceIds } from './source-columns.ts'
import { appliesTo, parseTransform, type Transform } from './transforms.ts'
import { displayType, primitiveOf } from './types.ts'

export interface Layout {
  readonly 'default-spec-id': number
  readonly 'partition-specs': readonly PartitionSpec[]
  readonly 'default-sort-order-id': number
  readonly 'sort-orders': readonly SortOrder[]
}

/** @throws IcebergError unless every reader can bind all of them to the schema */
export function checkLayout(layout: Layout, schema: Schema): void {
  for (const spec of layout['partition-specs']) checkSpec(spec, schema, spec['spec-id'] === layout['default-spec-id'])
  for (const order of layout['sort-orders']) {
    checkOrderId(order)
    // Another order than the default is bound when it is used, if ever.
    checkOrder(order, schema, order['order-id'] === layout['default-sort-order-id'])
  }
}

/** Of a spec other than the default, the source may be gone. @throws IcebergError unless every reader can bind it */
export function checkSpec(spec: PartitionSpec, schema: Schema, isDefault: boolean): void {
  checkSpecNames(spec, schema)
  for (const field of spec.fields) checkSpecField(spec, field, schema, isDefault)
}

/** @throws IcebergError unless every reader can bind it, or read it where it is not the default */
export function checkOrder(order: SortOrder, schema: Schema, isDefault: boolean): void {
  order.fields.forEach((field, position) => checkOrderField(order, field, position, schema, isDefault))
}

const placeOf = (spec: PartitionSpec, field: PartitionField): string => `partition field ${field.name} of spec ${spec['spec-id']}`

/** A partition's value has its field's name: no column may have that, but the one that it is made of. */
export function checkSpecNames(spec: PartitionSpec, schema: Schema): void {
  const { byId } = schemaIndex(schema)
  for (const field of spec.fields) {
    const column = findColumn(schema, field.name)
    if (column === undefined) continue
    const [source] = sourceIds(field)
    // Of a column that was dropped, the values are read under the name that they had.
    if (source === column || source === undefined || !byId.has(source)) continue
    throw validationFailed(`Invalid ${placeOf(spec, field)}: the schema has a column of that name`)
  }
}

function checkSpecField(spec: PartitionSpec, field: PartitionField, schema: Schema, isDefault: boolean): void {
  const transform = parseTransform(field.transform)
  const where = placeOf(spec, field)
  const source = onlySource(sourceIds(field), where)
  const column = schemaIndex(schema).byId.get(source)
  if (column === undefined) {
    if (!isDefault || transform.kind === 'void') return
    throw validationFailed(`Invalid ${where}: source column ${source} is not in the schema`)
  }
  checkTransform(transform, { schema, source, where })
  if (!isDefault || transform.kind === 'void') return
  checkPrimitive({ schema, source, where })
  if (column.insideListOrMap) throw validationFailed(`Invalid ${where}: source column ${column.path} is inside a list or map`)
}

function checkOrderId(order: SortOrder): void {
  const id = order['order-id']
  if (id === UNSORTED_ORDER_ID && order.fields.length > 0) {
    throw validationFailed(`Invalid sort order ${id}: it is reserved for unsorted, expected no fields`)
  }
  if (id !== UNSORTED_ORDER_ID && order.fields.length === 0) {
    throw validationFailed(`Invalid sort order ${id}: without fields it must have the id ${UNSORTED_ORDER_ID}`)
  }
}

function checkOrderField(order: SortOrder, field: SortField, position: number, schema: Schema, isDefault: boolean): void {
  const where = `sort field ${position} of order ${order['order-id']}`
  const transform = parseTransform(field.transform)
  const source = onlySource(sourceIds(field), where)
  if (!isDefault) return
  if (!schemaIndex(schema).byId.has(source)) {
    throw validationFailed(`Invalid ${where}: source column ${source} is not in the schema`)
  }
  checkTransform(transform, { schema, source, where })
  checkPrimitive({ schema, source, where })
}

/** Readers know `source-id` alone: a transform of several columns is one that they can't open the table with. */
function onlySource(sources: readonly number[], where: string): number {
  const [source, another] = sources
  if (source === undefined || another !== undefined) {
    throw validationFailed(`Invalid ${where}: expected one source column, got ${sources.length}`)
  }
  return source
}

interface Source {
  readonly schema: Schema
  readonly source: number
  readonly where: string
}

/** Nested columns are taken by `identity` here, as by the reference: that they are no source is judged of the default alone. */
function checkTransform(transform: Transform, { schema, source, where }: Source): void {
  if (transform.kind === 'void' || transform.kind === 'unknown') return
  const column = schemaIndex(schema).byId.get(source)
  if (column === undefined) return
  const { type } = column.field
  const taken = typeof type === 'string' ? appliesTo(transform, primitiveOf(type)) : transform.kind === 'identity'
  if (taken) return
  throw validationFailed(
    `Invalid ${where}: transform ${transform.text} does not take source column ${column.path} of type ${displayType(type)}`,
  )
}

function checkPrimitive({ schema, source, where }: Source): void {
  const column = schemaIndex(schema).byId.get(source)
  if (column === undefined || typeof column.field.type === 'string') return
  throw validationFailed(
    `Invalid ${where}: source column ${column.path} is a ${displayType(column.field.type)}, expected a primitive type`,
  )
}
