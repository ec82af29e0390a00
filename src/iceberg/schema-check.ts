/**
 * What must hold of a schema. Two modes: `strict` for what a client writes, with every rule of the format and the limits of
 * this catalog; `read` for metadata that already exists, which is refused only where the reference implementation could not
 * load it either.
 */
import { badRequest, validationFailed } from './errors.ts'
import { describe, expectArray, expectBoolean, expectInt, expectObject, expectString } from './shape.ts'
import type { Schema } from './schema.ts'
import { checkDefaultValue, displayType, findPrimitive, minFormatVersionOf } from './types.ts'
import type { Primitive, StructField, Type } from './types.ts'

export interface SchemaCheckOptions {
  /** `strict` unless said otherwise. */
  readonly mode?: 'strict' | 'read'
  /** Fields of all levels together. */
  readonly maxFields?: number
  /** Levels of nested types. */
  readonly maxDepth?: number
}

/** Ids from here on belong to metadata columns (spec, "Reserved Field IDs"). */
const FIRST_RESERVED_ID = 2147483447
const MAX_FIELDS = 50_000
const MAX_DEPTH = 64
const MAX_NAME_LENGTH = 1024
const MAX_DOC_LENGTH = 65_536

interface Parent {
  readonly path: string
  /** Whether an identifier field may be inside: only structs above, all of them required. */
  readonly required: boolean
  readonly inStructs: boolean
}

interface Context {
  readonly strict: boolean
  readonly formatVersion: number
  readonly maxFields: number
  readonly maxDepth: number
  /** Id to dotted name. */
  readonly paths: Map<number, string>
  readonly names: Set<string>
  /** Fields that may identify a row, or why they may not. */
  readonly identifiers: Map<number, string | undefined>
  readonly wanted: ReadonlySet<number>
}

/** Throws unless `schema` is a schema of the format version. */
export function checkSchema(schema: unknown, formatVersion: number, options: SchemaCheckOptions = {}): asserts schema is Schema {
  const object = expectObject(schema, 'schema')
  if (object['type'] !== 'struct') throw badRequest(`Invalid schema: expected type "struct", got ${describe(object['type'])}`)
  if (object['schema-id'] !== undefined && object['schema-id'] !== null) expectInt(object['schema-id'], 'schema-id of schema')
  const wanted = identifierIds(object['identifier-field-ids'])
  const context: Context = {
    strict: options.mode !== 'read',
    formatVersion,
    maxFields: options.maxFields ?? MAX_FIELDS,
    maxDepth: options.maxDepth ?? MAX_DEPTH,
    paths: new Map(),
    names: new Set(),
    identifiers: new Map(),
    wanted: new Set(wanted),
  }
  checkFields(context, object['fields'], { path: '', required: true, inStructs: true }, 1)
  checkIdentifiers(context, wanted)
}

function identifierIds(value: unknown): number[] {
  if (value === undefined || value === null) return []
  return expectArray(value, 'identifier-field-ids of schema').map((id) => expectInt(id, 'identifier-field-ids of schema'))
}

function checkIdentifiers(context: Context, wanted: readonly number[]): void {
  for (const id of wanted) {
    const path = context.paths.get(id)
    if (path === undefined) throw validationFailed(`Invalid schema: identifier field ${id} does not exist`)
    const fault = context.identifiers.get(id)
    if (fault !== undefined) throw validationFailed(`Invalid schema: column ${path} cannot be an identifier field: ${fault}`)
  }
  if (context.strict && new Set(wanted).size !== wanted.length) {
    throw validationFailed('Invalid schema: identifier-field-ids names a field twice')
  }
}

function checkFields(context: Context, value: unknown, parent: Parent, depth: number): void {
  const fields = expectArray(value, parent.path === '' ? 'fields of schema' : `fields of column ${parent.path}`)
  fields.forEach((item, position) => {
    const place = parent.path === '' ? `field ${position} of schema` : `field ${position} of column ${parent.path}`
    const field = expectObject(item, place)
    const name = checkName(context, field['name'], place)
    const path = parent.path === '' ? name : `${parent.path}.${name}`
    checkDoc(context, field['doc'], path)
    const required = expectBoolean(field['required'], `"required" of column ${path}`)
    addField(context, expectInt(field['id'], `id of column ${path}`), required, field['type'], path, parent, depth)
    checkDefaults(context, field, path)
  })
}

function checkName(context: Context, value: unknown, place: string): string {
  const name = expectString(value, `name of ${place}`)
  if (!context.strict) return name
  if (name === '') throw validationFailed(`Invalid schema: the name of ${place} is empty`)
  if (name.length > MAX_NAME_LENGTH) {
    throw validationFailed(
      `Invalid schema: the name of ${place} has ${name.length} characters, at most ${MAX_NAME_LENGTH} are accepted`,
    )
  }
  if (name.includes('\u0000') || !name.isWellFormed()) {
    throw validationFailed(`Invalid schema: the name of ${place} has a NUL or a lone surrogate`)
  }
  return name
}

function checkDoc(context: Context, value: unknown, path: string): void {
  if (value === undefined || value === null) return
  const doc = expectString(value, `doc of column ${path}`)
  if (context.strict && doc.length > MAX_DOC_LENGTH) {
    throw validationFailed(
      `Invalid schema: doc of column ${path} has ${doc.length} characters, at most ${MAX_DOC_LENGTH} are accepted`,
    )
  }
}

/** Checks and notes one field, element, key or value, and what is nested in it. */
function addField(
  context: Context,
  id: number,
  required: boolean,
  type: unknown,
  path: string,
  parent: Parent,
  depth: number,
): void {
  checkId(context, id, path)
  if (context.names.has(path)) throw validationFailed(`Invalid schema: more than one column has the name ${path}`)
  context.names.add(path)
  const nested = { path, required: parent.required && required, inStructs: parent.inStructs }
  if (typeof type === 'string') {
    const primitive = checkPrimitive(context, type, required, path)
    if (context.wanted.has(id)) context.identifiers.set(id, identifierFault(primitive, required, parent))
    return
  }
  context.identifiers.set(id, 'only columns of a primitive type can')
  if (depth >= context.maxDepth && context.strict) {
    throw validationFailed(`Invalid schema: column ${path} nests types deeper than ${context.maxDepth} levels`)
  }
  checkNested(context, type, nested, depth + 1)
}

function checkId(context: Context, id: number, path: string): void {
  const other = context.paths.get(id)
  if (other !== undefined) throw validationFailed(`Invalid schema: columns ${other} and ${path} have the same id ${id}`)
  context.paths.set(id, path)
  if (!context.strict) return
  // Clients number the fields of a table to be created from 0 or 1, as they like: all of them are renumbered.
  if (id < 0 || id >= FIRST_RESERVED_ID) {
    throw validationFailed(`Invalid schema: column ${path} has id ${id}, expected one from 0 to ${FIRST_RESERVED_ID - 1}`)
  }
  if (context.paths.size > context.maxFields) {
    throw validationFailed(`Invalid schema: more than ${context.maxFields} columns and nested fields`)
  }
}

function identifierFault(primitive: Primitive, required: boolean, parent: Parent): string | undefined {
  if (!required) return 'it is not required'
  if (primitive.kind === 'float' || primitive.kind === 'double') return `its type is ${primitive.text}`
  if (['variant', 'geometry', 'geography', 'unknown'].includes(primitive.kind)) return `its type is ${primitive.text}`
  if (!parent.inStructs) return 'it is nested in a list or map'
  return parent.required ? undefined : 'it is nested in an optional struct'
}

function checkPrimitive(context: Context, text: string, required: boolean, path: string): Primitive {
  const primitive = findPrimitive(text)
  if (primitive === undefined)
    throw badRequest(`Invalid type of column ${path}: ${describe(text)} is no type of the table format`)
  if (primitive.kind === 'unknown' && required) {
    throw validationFailed(`Invalid schema: column ${path} of type unknown must be optional`)
  }
  if (!context.strict) return primitive
  const version = minFormatVersionOf(primitive)
  if (context.formatVersion < version) {
    throw validationFailed(
      `Invalid schema: column ${path} has type ${text}, which needs format version ${version}, the table has ${context.formatVersion}`,
    )
  }
  if (primitive.kind === 'decimal' && ((primitive.precision ?? 0) < 1 || (primitive.scale ?? 0) > (primitive.precision ?? 0))) {
    throw validationFailed(
      `Invalid schema: column ${path} has type ${text}, expected a precision from 1 to 38 and a scale up to it`,
    )
  }
  return primitive
}

function checkNested(context: Context, value: unknown, parent: Parent, depth: number): void {
  const { path } = parent
  const type = expectObject(value, `type of column ${path}`)
  const below = { ...parent, inStructs: false }
  const id = (key: string): number => expectInt(type[key], `${key} of column ${path}`)
  const flag = (key: string): boolean => expectBoolean(type[key], `${key} of column ${path}`)
  switch (type['type']) {
    case 'struct':
      return checkFields(context, type['fields'], parent, depth)
    case 'list':
      return addField(context, id('element-id'), flag('element-required'), type['element'], `${path}.element`, below, depth)
    case 'map':
      addField(context, id('key-id'), true, type['key'], `${path}.key`, below, depth)
      return addField(context, id('value-id'), flag('value-required'), type['value'], `${path}.value`, below, depth)
    default:
      throw badRequest(
        `Invalid type of column ${path}: expected a primitive, "struct", "list" or "map", got ${describe(type['type'])}`,
      )
  }
}

function checkDefaults(context: Context, field: Readonly<Record<string, unknown>>, path: string): void {
  if (!context.strict) return
  const type = field['type'] as Type
  for (const key of ['initial-default', 'write-default'] as const satisfies readonly (keyof StructField)[]) {
    const value = field[key]
    if (value === undefined || value === null) continue
    if (context.formatVersion < 3) {
      throw validationFailed(
        `Invalid schema: column ${path} of type ${displayType(type)} has a ${key}, which needs format version 3, the table has ${context.formatVersion}`,
      )
    }
    checkDefaultValue(type, value, `${key} of column ${path}`)
  }
}
