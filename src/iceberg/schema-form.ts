/**
 * A schema as it is written: every reader takes it. Clients send type names in any case, `null` for what is absent, and
 * whole numbers as the default of a floating-point column; the reference implementation reads the last two from no file.
 */
import { RawNumber, type JsonValue } from './json.ts'
import type { Schema } from './schema.ts'
import { primitiveOf, writtenType, type StructField, type Type } from './types.ts'

const OPTIONAL = ['doc', 'initial-default', 'write-default'] as const
const DEFAULTS = ['initial-default', 'write-default'] as const

/** The same schema where nothing is to be changed; unchanged parts are shared. Takes a schema that was checked. */
export function writtenSchema(schema: Schema): Schema {
  const fields = writtenFields(schema.fields)
  const named = schema['identifier-field-ids'] !== null
  if (fields === schema.fields && named) return schema
  const { 'identifier-field-ids': identifiers, ...rest } = schema
  return { ...rest, ...(named && identifiers !== undefined ? { 'identifier-field-ids': identifiers } : {}), fields }
}

function writtenFields(fields: readonly StructField[]): readonly StructField[] {
  const written = fields.map(writtenField)
  return written.every((field, i) => field === fields[i]) ? fields : written
}

function writtenField(field: StructField): StructField {
  const changes = new Map<string, unknown>()
  const type = writtenNested(field.type)
  if (type !== field.type) changes.set('type', type)
  for (const key of OPTIONAL) if (field[key] === null) changes.set(key, undefined)
  for (const key of DEFAULTS) {
    const value = field[key]
    const written = value === null || value === undefined ? undefined : writtenDefault(field.type, value)
    if (value !== null && written !== value) changes.set(key, written)
  }
  if (changes.size === 0) return field
  const entries = Object.entries(field).map(([key, value]) => [key, changes.has(key) ? changes.get(key) : value] as const)
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as StructField
}

function writtenNested(type: Type): Type {
  if (typeof type === 'string') return writtenType(type)
  if (type.type === 'struct') {
    const fields = writtenFields(type.fields)
    return fields === type.fields ? type : { ...type, fields }
  }
  if (type.type === 'list') {
    const element = writtenNested(type.element)
    return element === type.element ? type : { ...type, element }
  }
  const [key, value] = [writtenNested(type.key), writtenNested(type.value)]
  return key === type.key && value === type.value ? type : { ...type, key, value }
}

/** `1` is a double in JSON; Java reads one from `1.0` alone. `-0` is an integer that JavaScript keeps as text. */
function writtenDefault(type: Type, value: JsonValue): JsonValue {
  if (typeof type !== 'string') return value
  const { kind } = primitiveOf(type)
  const minusZero = value instanceof RawNumber && value.source === '-0'
  if (kind === 'float' || kind === 'double') {
    if (minusZero) return new RawNumber('-0.0')
    return typeof value === 'bigint' || Number.isSafeInteger(value) ? new RawNumber(`${String(value)}.0`) : value
  }
  return minusZero && (kind === 'int' || kind === 'long') ? 0 : value
}
