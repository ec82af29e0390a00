/**
 * View metadata, format version 1: read, checked and written as the reference implementation writes it. Unknown fields and
 * unknown kinds of representations survive.
 */
import Type, { type Static } from 'typebox'
import { AnyObject, Int32, Int64, isPlainObject, readShape, StringMap } from './document.ts'
import { validationFailed } from './errors.ts'
import { checkViewAsWritten } from './as-written.ts'
import { parse, type JsonObject } from './json.ts'
import { objectParts, type JsonParts } from './json-parts.ts'
import { isInt } from './long.ts'
import { checkSchema, type Schema } from './schema.ts'
import { writtenSchema } from './schema-form.ts'
import { checkUnique } from './table-invariants.ts'
import { withoutTrailingSlash } from './table-metadata.ts'
import { canonicalUuid, isUuid } from './uuid.ts'
import { checkNotEmpty, checkRepresentations, ViewVersionShape, type ViewVersion } from './view-version.ts'

export { type ViewRepresentation, type ViewVersion } from './view-version.ts'

export const VIEW_FORMAT_VERSION = 1
/** A view's columns may have any type that a table of the newest format has. */
export const VIEW_SCHEMA_FORMAT_VERSION = 3

const ViewHistoryEntryShape = Type.Object({ 'version-id': Int32, 'timestamp-ms': Int64 })
const ViewMetadataShape = Type.Object({
  'view-uuid': Type.String(),
  'format-version': Int32,
  location: Type.String({ minLength: 1 }),
  schemas: Type.Array(AnyObject, { minItems: 1 }),
  'current-version-id': Int32,
  versions: Type.Array(ViewVersionShape, { minItems: 1 }),
  'version-log': Type.Array(ViewHistoryEntryShape),
  properties: StringMap,
})

export interface ViewHistoryEntry extends Readonly<Static<typeof ViewHistoryEntryShape>> {
  readonly [unknownField: string]: unknown
}
export interface ViewMetadata {
  readonly 'view-uuid': string
  readonly 'format-version': number
  readonly location: string
  readonly schemas: readonly Schema[]
  readonly 'current-version-id': number
  readonly versions: readonly ViewVersion[]
  readonly 'version-log': readonly ViewHistoryEntry[]
  readonly properties: Readonly<Record<string, string>>
  readonly [unknownField: string]: unknown
}

/** Throws unless views of this version can be read and written here. */
export function checkViewFormatVersion(version: number): void {
  if (version !== VIEW_FORMAT_VERSION)
    throw validationFailed(`Unsupported format version: ${version} (supported for views: ${VIEW_FORMAT_VERSION})`)
}

/**
 * The metadata in its normal form. Takes the bytes of a (decompressed) file, or JSON that `json.ts` has read.
 * @throws IcebergError 400 naming the field and what was expected
 */
export function parseViewMetadata(input: unknown): ViewMetadata {
  const json = input instanceof Uint8Array ? parse(input) : input
  if (!isPlainObject(json)) throw validationFailed('Invalid view metadata: must be an object')
  const version = json['format-version']
  if (!isInt(version)) throw validationFailed('Invalid view metadata: format-version must be a 32-bit integer')
  checkViewFormatVersion(version)
  const filled = (json['properties'] ?? undefined) === undefined ? { ...json, properties: {} } : json
  const normal = readShape(ViewMetadataShape, filled, 'view metadata', validationFailed)
  const uuid = normal['view-uuid']
  if (!isUuid(uuid)) throw validationFailed('Invalid view metadata: view-uuid must be a UUID')
  const metadata = {
    ...normal,
    'view-uuid': canonicalUuid(uuid),
    location: withoutTrailingSlash(normal.location),
    schemas: normal.schemas.map(readSchema),
  } as ViewMetadata
  checkViewInvariants(metadata)
  return metadata
}

/**
 * Metadata that another program wrote and that is to become a view as it lies: also held to what a commit is held to, and to
 * what readers take in a file.
 * @throws IcebergError 400 naming the field and what was expected
 */
export function parseForeignViewMetadata(json: unknown): ViewMetadata {
  const metadata = parseViewMetadata(json)
  checkViewAsWritten(json as JsonObject)
  for (const version of metadata.versions) checkNotEmpty(version, validationFailed)
  return metadata
}

function readSchema(schema: unknown): Schema {
  checkSchema(schema, VIEW_SCHEMA_FORMAT_VERSION, { mode: 'read' })
  const written = writtenSchema(schema)
  return (written['schema-id'] ?? undefined) === undefined ? { ...written, 'schema-id': 0 } : written
}

/** What holds in every view's metadata, read or made. */
export function checkViewInvariants(metadata: ViewMetadata): void {
  checkUnique(metadata.schemas, 'schema', (schema) => schema['schema-id'] ?? 0)
  checkUnique(metadata.versions, 'view version', (version) => version['version-id'])
  const current = metadata.versions.find((version) => version['version-id'] === metadata['current-version-id'])
  if (current === undefined) {
    const ids = metadata.versions.map((version) => version['version-id']).slice(0, 100)
    throw validationFailed(`Cannot find current version ${metadata['current-version-id']} in view versions: ${ids.join(', ')}`)
  }
  if (!metadata.schemas.some((schema) => schema['schema-id'] === current['schema-id'])) {
    throw validationFailed(`Cannot find current schema with id ${current['schema-id']} in schemas`)
  }
  for (const version of metadata.versions) checkRepresentations(version, validationFailed)
}

export function currentVersion(metadata: ViewMetadata): ViewVersion {
  return metadata.versions.find((version) => version['version-id'] === metadata['current-version-id']) as ViewVersion
}

/** The JSON that the reference writer would write, followed by the fields that we do not know. */
export function serializeViewMetadata(metadata: ViewMetadata): JsonParts {
  const {
    'view-uuid': uuid,
    'format-version': formatVersion,
    location,
    properties,
    schemas,
    'current-version-id': current,
    versions,
    'version-log': log,
    ...unknown
  } = metadata
  return objectParts({
    'view-uuid': uuid,
    'format-version': formatVersion,
    location,
    // Keys with the value undefined are not written.
    properties: Object.keys(properties).length > 0 ? properties : undefined,
    schemas,
    'current-version-id': current,
    versions,
    'version-log': log,
    ...unknown,
  })
}
