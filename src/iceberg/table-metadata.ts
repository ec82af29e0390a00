/**
 * Table metadata of format versions 1, 2 and 3: read, checked, and written as the reference implementation writes it. In
 * memory there is one form for all versions; what older writers left out is filled in on reading, and what older readers
 * want (the singular `schema` and `partition-spec` of version 1) is added on writing. Unknown fields survive both.
 */
import Type, { type Static } from 'typebox'
import { AnyObject, highest, Int32, Int64, isPlainObject, NaturalInt64, readShape, StringMap } from './document.ts'
import { EncryptedKeyShape, type EncryptedKey } from './encryption-key.ts'
import { validationFailed } from './errors.ts'
import { parse, type JsonObject } from './json.ts'
import { keptItems, objectParts, type JsonParts } from './json-parts.ts'
import { isInt } from './long.ts'
import { checkPartitionSpecShape, NO_PARTITION_ID, withFieldIds, type PartitionSpec } from './partition-spec.ts'
import { checkSchema, type Schema } from './schema.ts'
import { writtenSchema } from './schema-form.ts'
import {
  MAIN_BRANCH,
  MetadataLogEntryShape,
  normalSnapshot,
  readReference,
  SnapshotLogEntryShape,
  SnapshotShape,
  type MetadataLogEntry,
  type Snapshot,
  type SnapshotLogEntry,
  type SnapshotReference,
} from './snapshot.ts'
import { checkSortOrderShape, UNSORTED, type SortOrder } from './sort-order.ts'
import {
  PartitionStatisticsFileShape,
  StatisticsFileShape,
  type PartitionStatisticsFile,
  type StatisticsFile,
} from './statistics.ts'
import { checkAsWritten } from './as-written.ts'
import { checkConsistency, checkInvariants } from './table-invariants.ts'
import { canonicalUuid, isUuid } from './uuid.ts'

export const MAX_FORMAT_VERSION = 3
export const DEFAULT_FORMAT_VERSION = 2
/** From this version on rows have ids. */
export const ROW_LINEAGE_FORMAT_VERSION = 3

/** The normal form, except for what other modules judge. */
const TableMetadataShape = Type.Object({
  'format-version': Int32,
  'table-uuid': Type.Optional(Type.String()),
  location: Type.String({ minLength: 1 }),
  'last-sequence-number': NaturalInt64,
  'last-updated-ms': Int64,
  'last-column-id': Int32,
  'current-schema-id': Int32,
  schemas: Type.Array(AnyObject, { minItems: 1 }),
  'default-spec-id': Int32,
  'partition-specs': Type.Array(AnyObject, { minItems: 1 }),
  'last-partition-id': Int32,
  'default-sort-order-id': Int32,
  'sort-orders': Type.Array(AnyObject, { minItems: 1 }),
  properties: StringMap,
  'current-snapshot-id': Type.Optional(Int64),
  'next-row-id': Type.Optional(NaturalInt64),
  'encryption-keys': Type.Optional(Type.Array(EncryptedKeyShape)),
  refs: AnyObject,
  snapshots: Type.Array(SnapshotShape),
  statistics: Type.Array(StatisticsFileShape),
  'partition-statistics': Type.Array(PartitionStatisticsFileShape),
  'snapshot-log': Type.Array(SnapshotLogEntryShape),
  'metadata-log': Type.Array(MetadataLogEntryShape),
})

export interface TableMetadata {
  readonly 'format-version': number
  /** Only a table of format version 1 may lack it. */
  readonly 'table-uuid'?: string
  readonly location: string
  /** 0 in format version 1, which does not write it. */
  readonly 'last-sequence-number': Static<typeof Int64>
  readonly 'last-updated-ms': Static<typeof Int64>
  readonly 'last-column-id': number
  readonly 'current-schema-id': number
  /** All of them have a `schema-id`. */
  readonly schemas: readonly Schema[]
  readonly 'default-spec-id': number
  readonly 'partition-specs': readonly PartitionSpec[]
  readonly 'last-partition-id': number
  readonly 'default-sort-order-id': number
  readonly 'sort-orders': readonly SortOrder[]
  readonly properties: Readonly<Record<string, string>>
  /** Absent when there is none (written as -1 before version 3, for older readers). */
  readonly 'current-snapshot-id'?: Static<typeof Int64>
  /** Present from version 3 on. */
  readonly 'next-row-id'?: Static<typeof Int64>
  readonly 'encryption-keys'?: readonly EncryptedKey[]
  readonly refs: Readonly<Record<string, SnapshotReference>>
  readonly snapshots: readonly Snapshot[]
  readonly statistics: readonly StatisticsFile[]
  readonly 'partition-statistics': readonly PartitionStatisticsFile[]
  readonly 'snapshot-log': readonly SnapshotLogEntry[]
  readonly 'metadata-log': readonly MetadataLogEntry[]
  readonly [unknownField: string]: unknown
}

type Document = Readonly<Record<string, unknown>>

/** Throws unless tables of this version can be read and written here. */
export function checkFormatVersion(version: unknown): asserts version is number {
  if (isInt(version) && version >= 1 && version <= MAX_FORMAT_VERSION) return
  throw validationFailed(`Unsupported format version: v${String(version).slice(0, 20)} (supported: v1 to v${MAX_FORMAT_VERSION})`)
}

/**
 * The metadata in its normal form. Takes the bytes of a (decompressed) file, or JSON that `json.ts` has read.
 * @throws IcebergError 400 naming the field and what was expected
 */
export function parseTableMetadata(input: unknown): TableMetadata {
  const json = input instanceof Uint8Array ? parse(input) : input
  if (!isPlainObject(json)) throw validationFailed('Invalid table metadata: must be an object')
  const version = json['format-version']
  if (!isInt(version)) throw validationFailed('Invalid table metadata: format-version must be a 32-bit integer')
  checkFormatVersion(version)
  const document = withoutLegacyFields(version === 1 ? fillVersion1(json) : json)
  const normal = readShape(TableMetadataShape, fillOptional(document, version), 'table metadata', validationFailed)
  const metadata = { ...normal, ...readParts(normal, version) } as TableMetadata
  checkConsistency(metadata)
  return metadata
}

/**
 * Metadata that another program wrote and that is to become a table as it lies: also held to all that a commit is held to, and
 * to what readers take in a file.
 * @throws IcebergError 400 naming the field and what was expected
 */
export function parseForeignTableMetadata(json: unknown): TableMetadata {
  const metadata = parseTableMetadata(json)
  checkAsWritten(json as JsonObject)
  checkInvariants(metadata)
  return metadata
}

const present = (document: Document, key: string): boolean => (document[key] ?? undefined) !== undefined

/** What a version 1 file may say in the singular, or leave out. */
function fillVersion1(json: Document): Document {
  const filled: Record<string, unknown> = { ...json, 'last-sequence-number': 0 }
  if (!present(json, 'schemas') || !present(json, 'current-schema-id')) {
    if (!isPlainObject(json['schema']))
      throw validationFailed('Invalid table metadata: schema, or schemas with current-schema-id, is required in format v1')
    const id = json['schema']['schema-id'] ?? 0
    filled['schemas'] = [{ ...json['schema'], 'schema-id': id }]
    filled['current-schema-id'] = id
  }
  if (!present(json, 'partition-specs')) {
    if (!Array.isArray(json['partition-spec'])) {
      throw validationFailed('Invalid table metadata: partition-spec or partition-specs is required in format v1')
    }
    filled['partition-specs'] = [{ 'spec-id': 0, fields: json['partition-spec'] as unknown }]
    filled['default-spec-id'] = 0
  } else if (!present(json, 'default-spec-id')) {
    filled['default-spec-id'] = highestSpecId(json['partition-specs'])
  }
  if (!present(json, 'sort-orders')) {
    filled['sort-orders'] = [UNSORTED]
    filled['default-sort-order-id'] = UNSORTED['order-id']
  }
  return filled
}

/** Early writers named no default: the newest spec is in use. */
function highestSpecId(specs: unknown): number {
  const ids = Array.isArray(specs) ? specs.map((spec: unknown) => (isPlainObject(spec) ? spec['spec-id'] : undefined)) : []
  return highest(ids.filter(isInt), 0)
}

/** Written anew from the current ones, so that they can't contradict them. */
function withoutLegacyFields(document: Document): Document {
  const { schema: _schema, 'partition-spec': _spec, ...rest } = document
  return rest
}

/** What any version may leave out. */
function fillOptional(document: Document, version: number): Document {
  const { 'current-snapshot-id': given, 'next-row-id': nextRowId, ...rest } = document
  const current = given === null || given === undefined || given === -1 ? undefined : given
  const filled: Record<string, unknown> = { ...rest, ...(current === undefined ? {} : { 'current-snapshot-id': current }) }
  if (version >= ROW_LINEAGE_FORMAT_VERSION) filled['next-row-id'] = nextRowId
  if (!present(document, 'properties')) filled['properties'] = {}
  if (!present(document, 'refs')) {
    filled['refs'] = current === undefined ? {} : { [MAIN_BRANCH]: { 'snapshot-id': current, type: 'branch' } }
  }
  for (const key of ['snapshots', 'statistics', 'partition-statistics', 'snapshot-log', 'metadata-log']) {
    if (!present(document, key)) filled[key] = []
  }
  // Computed from the specs, which have not been read yet.
  if (version === 1 && !present(document, 'last-partition-id')) filled['last-partition-id'] = NO_PARTITION_ID
  return filled
}

/** The parts that have modules of their own. */
function readParts(normal: Static<typeof TableMetadataShape>, version: number): Partial<TableMetadata> {
  const schemas = normal.schemas.map((schema) => readSchema(schema, version))
  const specs = normal['partition-specs'].map((spec) => {
    checkPartitionSpecShape(spec)
    return withFieldIds(spec)
  })
  for (const order of normal['sort-orders']) checkSortOrderShape(order)
  const fieldIds = specs.flatMap((spec) => spec.fields.map((field) => field['field-id']))
  const uuid = normal['table-uuid']
  if (uuid !== undefined && !isUuid(uuid)) throw validationFailed('Invalid table metadata: table-uuid must be a UUID')
  return {
    schemas,
    'partition-specs': specs,
    'last-partition-id': version === 1 ? highest(fieldIds, normal['last-partition-id']) : normal['last-partition-id'],
    refs: readReferences(normal.refs),
    snapshots: normal.snapshots.map(normalSnapshot),
    ...(uuid === undefined ? {} : { 'table-uuid': canonicalUuid(uuid) }),
    location: withoutTrailingSlash(normal.location),
  }
}

function readSchema(schema: unknown, version: number): Schema {
  checkSchema(schema, version, { mode: 'read' })
  const written = writtenSchema(schema)
  return (written['schema-id'] ?? undefined) === undefined ? { ...written, 'schema-id': 0 } : written
}

function readReferences(refs: Document): Readonly<Record<string, SnapshotReference>> {
  const read = (name: string, ref: unknown) => readReference(ref, `reference ${name.slice(0, 100)}`, validationFailed)
  return Object.fromEntries(Object.entries(refs).map(([name, ref]) => [name, read(name, ref)]))
}

/** As the reference implementation keeps a location. A lone `scheme://` stays. */
export function withoutTrailingSlash(location: string): string {
  let end = location.length
  while (end > 0 && location[end - 1] === '/' && !(location[end - 2] === '/' && location[end - 3] === ':')) end--
  return location.slice(0, end)
}

/** The schema in use. */
export function currentSchema(metadata: TableMetadata): Schema {
  return metadata.schemas.find((schema) => schema['schema-id'] === metadata['current-schema-id']) as Schema
}

/** The JSON that the reference writer would write, followed by the fields that we do not know. */
export function serializeTableMetadata(metadata: TableMetadata): JsonParts {
  return objectParts(toDocument(metadata))
}

function toDocument(metadata: TableMetadata): Document {
  const version = metadata['format-version']
  const {
    'format-version': _version,
    'table-uuid': uuid,
    location,
    'last-sequence-number': lastSequenceNumber,
    'last-updated-ms': lastUpdated,
    'last-column-id': lastColumnId,
    'current-schema-id': schemaId,
    schemas,
    'default-spec-id': specId,
    'partition-specs': specs,
    'last-partition-id': lastPartitionId,
    'default-sort-order-id': orderId,
    'sort-orders': orders,
    properties,
    'current-snapshot-id': current,
    'next-row-id': nextRowId,
    'encryption-keys': keys,
    refs,
    snapshots,
    statistics,
    'partition-statistics': partitionStatistics,
    'snapshot-log': snapshotLog,
    'metadata-log': metadataLog,
    ...unknown
  } = metadata
  // Keys with the value undefined are not written.
  return {
    'format-version': version,
    'table-uuid': uuid,
    location,
    'last-sequence-number': version > 1 ? lastSequenceNumber : undefined,
    'last-updated-ms': lastUpdated,
    'last-column-id': lastColumnId,
    schema: version === 1 ? currentSchema(metadata) : undefined,
    'current-schema-id': schemaId,
    schemas: keptItems(schemas),
    'partition-spec': version === 1 ? specs.find((spec) => spec['spec-id'] === specId)?.fields : undefined,
    'default-spec-id': specId,
    'partition-specs': keptItems(specs),
    'last-partition-id': lastPartitionId,
    'default-sort-order-id': orderId,
    'sort-orders': keptItems(orders),
    properties,
    // The reference writes null from version 3 on, which the REST specification does not allow; left out, all can read it.
    'current-snapshot-id': current ?? (version >= 3 ? undefined : -1),
    'next-row-id': version >= ROW_LINEAGE_FORMAT_VERSION ? nextRowId : undefined,
    'encryption-keys': keys !== undefined && keys.length > 0 ? keys : undefined,
    refs,
    snapshots: keptItems(snapshots),
    statistics: keptItems(statistics),
    'partition-statistics': keptItems(partitionStatistics),
    'snapshot-log': keptItems(snapshotLog),
    'metadata-log': keptItems(metadataLog),
    ...unknown,
  }
}
