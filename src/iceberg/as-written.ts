/**
 * What readers take in a metadata file that another program wrote. A table that is registered is answered as its file has it
 * until the first commit, so what we would put right in passing must be right in the file: the reference implementation
 * takes `null` for absent in some fields alone, reads defaults by their type, and knows sources by `source-id`.
 * Reference: TableMetadataParser, SnapshotParser, SchemaParser, PartitionSpecParser, SortOrderParser.
 */
import { isPlainObject } from './document.ts'
import { validationFailed } from './errors.ts'
import { RawNumber, type JsonObject } from './json.ts'
import { MAX_INT } from './long.ts'
import { displayType, primitiveOf, checkDefaultValue, type Type } from './types.ts'

type Document = Readonly<Record<string, unknown>>

const WITHOUT_NULL = [
  'schemas',
  'partition-specs',
  'sort-orders',
  'properties',
  'refs',
  'snapshots',
  'statistics',
  'partition-statistics',
  'encryption-keys',
] as const
const SNAPSHOT_WITHOUT_NULL = ['parent-snapshot-id', 'sequence-number', 'manifest-list', 'summary'] as const

/** Takes what `parseTableMetadata` took. @throws IcebergError 400 for what a reader would stumble over */
export function checkAsWritten(table: JsonObject): void {
  refuseNulls(table, WITHOUT_NULL, 'table metadata')
  for (const snapshot of objects(table['snapshots'])) {
    refuseNulls(snapshot, SNAPSHOT_WITHOUT_NULL, `snapshot ${String(snapshot['snapshot-id'])}`)
  }
  for (const spec of objects(table['partition-specs'])) {
    if ((spec['spec-id'] ?? undefined) === undefined) throw validationFailed('Invalid partition spec: spec-id is required')
    checkFields(spec['fields'], 'partition field')
  }
  checkFields(table['partition-spec'], 'partition field')
  for (const order of objects(table['sort-orders'])) checkFields(order['fields'], 'sort field')
  for (const schema of [...objects(table['schemas']), ...objects([table['schema']])]) checkDefaults(schema, '')
  for (const key of objects(table['encryption-keys'])) refuseNulls(key, ['properties'], 'encryption key')
  for (const file of objects(table['statistics'])) {
    for (const blob of objects(file['blob-metadata'])) refuseNulls(blob, ['properties'], 'blob-metadata')
  }
}

/** Takes what `parseViewMetadata` took. @throws IcebergError 400 for what a reader would stumble over */
export function checkViewAsWritten(view: JsonObject): void {
  refuseNulls(view, ['properties'], 'view metadata')
  for (const schema of objects(view['schemas'])) checkDefaults(schema, '')
}

function* objects(list: unknown): Generator<Document> {
  if (Array.isArray(list)) for (const item of list) if (isPlainObject(item)) yield item
}

function refuseNulls(object: Document, keys: readonly string[], what: string): void {
  const key = keys.find((candidate) => object[candidate] === null)
  if (key !== undefined) throw validationFailed(`Invalid ${what}: ${key} is null, expected a value or no ${key} at all`)
}

function checkFields(fields: unknown, what: string): void {
  for (const field of objects(fields)) {
    refuseNulls(field, ['field-id'], what)
    if ((field['source-id'] ?? undefined) === undefined) throw validationFailed(`Invalid ${what}: source-id is required`)
    // Of any transform with a width, also of one that the reader does not know.
    const [, width = '0'] = /^\w+\[(\d+)\]$/.exec(String(field['transform'])) ?? []
    if (Number(width) > MAX_INT) throw validationFailed(`Invalid ${what}: the width of its transform does not fit in 32 bits`)
  }
}

/** Of a schema or a type that has been read, whose shape is right. */
function checkDefaults(type: unknown, path: string): void {
  if (!isPlainObject(type)) return
  for (const field of objects(type['fields'])) {
    const name = path + String(field['name'])
    for (const key of ['initial-default', 'write-default'] as const) {
      if (Object.hasOwn(field, key)) checkDefault(field['type'] as Type, field[key], `${key} of column ${name}`)
    }
    checkDefaults(field['type'], `${name}.`)
  }
  for (const key of ['element', 'key', 'value'] as const) checkDefaults(type[key], `${path}${key}.`)
}

function checkDefault(type: Type, value: unknown, where: string): void {
  if (value === null) throw validationFailed(`Invalid ${where}: null, expected a value or no default at all`)
  checkDefaultValue(type, value, where)
  const kind = typeof type === 'string' ? primitiveOf(type).kind : undefined
  if (kind !== 'float' && kind !== 'double') return
  const isWhole = value instanceof RawNumber ? value.source === '-0' : typeof value === 'bigint' || Number.isSafeInteger(value)
  if (isWhole) {
    throw validationFailed(`Invalid ${where}: ${String(value)} for type ${displayType(type)}, readers expect ${String(value)}.0`)
  }
}
