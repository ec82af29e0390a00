/**
 * Schemas: a struct with an id and identifier fields. Everything here is a function over the JSON of a schema; what is
 * derived from one (its index) is remembered by object, because schemas are immutable and shared between versions of the
 * metadata. Spec: "Schemas and Data Types", "Schema Evolution", "Column Projection".
 */
import { validationFailed } from './errors.ts'
import { RawNumber } from './json.ts'
import { displayType, isPromotionAllowed, kindOf, primitiveOf } from './types.ts'
import type { StructField, StructType, Type } from './types.ts'

export { checkSchema } from './schema-check.ts'
export type { SchemaCheckOptions } from './schema-check.ts'

export type Schema = StructType & {
  readonly 'schema-id'?: number
  readonly 'identifier-field-ids'?: readonly number[]
}

/** A field of a struct, an element of a list, a key or a value of a map, with where it stands. */
export interface IndexedField {
  /** For elements, keys and values, a field of that name. */
  readonly field: StructField
  /** Dotted name: `locations.element.latitude`. */
  readonly path: string
  /** From the outermost inwards. */
  readonly parentIds: readonly number[]
  readonly insideListOrMap: boolean
}

export interface SchemaIndex {
  readonly byId: ReadonlyMap<number, IndexedField>
  readonly byName: ReadonlyMap<string, number>
  /** 0 for a schema without fields. */
  readonly highestFieldId: number
}

/** The fields directly inside a type, with the names that lists and maps give to theirs. */
export function childFields(type: Type): readonly StructField[] {
  if (typeof type === 'string') return []
  if (type.type === 'struct') return type.fields
  if (type.type === 'list') {
    return [{ id: type['element-id'], name: 'element', required: type['element-required'], type: type.element }]
  }
  return [
    { id: type['key-id'], name: 'key', required: true, type: type.key },
    { id: type['value-id'], name: 'value', required: type['value-required'], type: type.value },
  ]
}

const INDEXES = new WeakMap<StructType, SchemaIndex>()

export function schemaIndex(schema: StructType): SchemaIndex {
  const known = INDEXES.get(schema)
  if (known !== undefined) return known
  const byId = new Map<number, IndexedField>()
  const byName = new Map<string, number>()
  let highestFieldId = 0
  const visit = (type: Type, prefix: string, parentIds: readonly number[], insideListOrMap: boolean): void => {
    for (const field of childFields(type)) {
      const path = prefix + field.name
      byId.set(field.id, { field, path, parentIds, insideListOrMap })
      byName.set(path, field.id)
      if (field.id > highestFieldId) highestFieldId = field.id
      if (typeof field.type === 'string') continue
      visit(field.type, `${path}.`, [...parentIds, field.id], insideListOrMap || field.type.type !== 'struct')
    }
  }
  visit(schema, '', [], false)
  const index = { byId, byName, highestFieldId }
  INDEXES.set(schema, index)
  return index
}

const SHORT_NAMES = new WeakMap<StructType, ReadonlyMap<string, number>>()

/**
 * The column that a name means to the reference implementation: it also finds what is nested in a struct that is an element
 * or a map's value by a name without `element` or `value`, unless another column has that name.
 */
export function findColumn(schema: StructType, name: string): number | undefined {
  const id = schemaIndex(schema).byName.get(name)
  if (id !== undefined || !name.includes('.')) return id
  let short = SHORT_NAMES.get(schema)
  if (short === undefined) SHORT_NAMES.set(schema, (short = shortNames(schema)))
  return short.get(name)
}

function shortNames(schema: StructType): ReadonlyMap<string, number> {
  const names = new Map<string, number>()
  const visit = (type: Type, prefix: string): void => {
    for (const field of childFields(type)) {
      const left = typeof type !== 'string' && type.type !== 'struct' && field.name !== 'key' && kindOf(field.type) === 'struct'
      visit(field.type, left ? prefix : `${prefix}${field.name}.`)
      if (!names.has(prefix + field.name)) names.set(prefix + field.name, field.id)
    }
  }
  visit(schema, '')
  return names
}

/** The highest id of any field, nested ones included; 0 without fields. */
export function highestFieldId(schema: StructType): number {
  return schemaIndex(schema).highestFieldId
}

/** Whether two schemas have the same fields and identifier fields, whatever their ids. */
export function sameSchema(a: Schema, b: Schema): boolean {
  return a === b || (sameFields(a.fields, b.fields) && sameIds(a['identifier-field-ids'] ?? [], b['identifier-field-ids'] ?? []))
}

function sameIds(a: readonly number[], b: readonly number[]): boolean {
  const ids = new Set(a)
  const others = new Set(b)
  return ids.size === others.size && [...ids].every((id) => others.has(id))
}

function sameFields(a: readonly StructField[], b: readonly StructField[]): boolean {
  return a.length === b.length && a.every((field, i) => sameField(field, b[i] as StructField))
}

function sameField(a: StructField, b: StructField): boolean {
  if (a === b) return true
  return (
    a.id === b.id &&
    a.name === b.name &&
    a.required === b.required &&
    (a.doc ?? undefined) === (b.doc ?? undefined) &&
    sameValue(a['initial-default'], b['initial-default']) &&
    sameValue(a['write-default'], b['write-default']) &&
    sameType(a.type, b.type)
  )
}

/** Whether two types are one, ids and all that is nested included. */
export function sameType(a: Type, b: Type): boolean {
  if (a === b) return true
  if (typeof a === 'string' || typeof b === 'string') {
    return typeof a === 'string' && typeof b === 'string' && primitiveOf(a).text === primitiveOf(b).text
  }
  return a.type === b.type && sameFields(childFields(a), childFields(b))
}

/** Defaults compare exactly; an absent one is null. Only scalars and the empty struct can occur. */
function sameValue(a: unknown, b: unknown): boolean {
  if (a instanceof RawNumber || b instanceof RawNumber) return String(a) === String(b) || Number(a) === Number(b)
  if (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null) return true
  return (a ?? null) === (b ?? null)
}

export interface FreshSchema {
  readonly schema: Schema
  readonly lastColumnId: number
  /** From the ids that were sent to the new ones. */
  readonly idMap: ReadonlyMap<number, number>
}

/**
 * Numbers all fields from 1, as a new table needs it: the fields of a struct first, then what is nested in them, field by
 * field; an element before its own fields; key and value before theirs. The schema gets id 0.
 */
export function assignFreshIds(schema: Schema): FreshSchema {
  const idMap = new Map<number, number>()
  let lastColumnId = 0
  const fresh = (id: number): number => {
    idMap.set(id, ++lastColumnId)
    return lastColumnId
  }
  const renumberFields = (fields: readonly StructField[]): StructField[] => {
    const ids = fields.map((field) => fresh(field.id))
    return fields.map((field, i) => ({ ...field, id: ids[i] as number, type: renumber(field.type) }))
  }
  const renumber = (type: Type): Type => {
    if (typeof type === 'string') return type
    if (type.type === 'struct') return { ...type, fields: renumberFields(type.fields) }
    if (type.type === 'list') {
      const elementId = fresh(type['element-id'])
      return { ...type, 'element-id': elementId, element: renumber(type.element) }
    }
    const keyId = fresh(type['key-id'])
    const valueId = fresh(type['value-id'])
    return { ...type, 'key-id': keyId, key: renumber(type.key), 'value-id': valueId, value: renumber(type.value) }
  }
  const renumbered: Schema = { ...schema, 'schema-id': 0, fields: renumberFields(schema.fields) }
  const identifiers = schema['identifier-field-ids']
  const identified =
    identifiers === undefined || identifiers === null
      ? renumbered
      : { ...renumbered, 'identifier-field-ids': identifiers.map((id) => idMap.get(id) as number) }
  return { schema: identified, lastColumnId, idMap }
}

/**
 * Refuses a schema that gives an id of an earlier schema to a column of a type that its data cannot be read as; `definition`
 * says what an id meant. An `initial-default` may not change either: rows without a value would change theirs. Not for
 * replacing a table: there, a column keeps its id by name, whatever its type.
 */
export function checkReusedIds(definition: (id: number) => StructField | undefined, next: Schema, formatVersion: number): void {
  for (const [id, field] of schemaIndex(next).byId) {
    const old = definition(id)
    if (old !== undefined) checkReusedId(old, field, formatVersion)
  }
}

function checkReusedId(old: StructField, { field, path }: IndexedField, formatVersion: number): void {
  if (!isPromotionAllowed(old.type, field.type, formatVersion)) {
    throw validationFailed(
      `Invalid schema: column ${path} has id ${field.id}, which was ${displayType(old.type)} and cannot become ${displayType(field.type)}`,
    )
  }
  if (sameType(old.type, field.type) && !sameValue(old['initial-default'], field['initial-default'])) {
    throw validationFailed(`Invalid schema: the initial-default of column ${path} (id ${field.id}) cannot change`)
  }
}
