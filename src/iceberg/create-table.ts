/**
 * Metadata of a new table: from a create request, whose ids are all assigned anew, or from the updates of the commit that
 * ends a staged creation, whose ids were assigned when it was staged.
 */
import { short } from './document.ts'
import { badRequest, validationFailed } from './errors.ts'
import { freshPartitionSpec } from './partition-spec.ts'
import { assignFreshIds, checkSchema, schemaIndex, type Schema } from './schema.ts'
import { writtenSchema } from './schema-form.ts'
import { freshSortOrder } from './sort-order.ts'
import { checkInvariants } from './table-invariants.ts'
import { checkTableLimits, DEFAULT_TABLE_LIMITS, type TableLimits } from './table-limits.ts'
import { applyUpdates, type ApplyOptions } from './table-metadata-builder.ts'
import {
  checkFormatVersion,
  DEFAULT_FORMAT_VERSION,
  ROW_LINEAGE_FORMAT_VERSION,
  withoutTrailingSlash,
  type TableMetadata,
} from './table-metadata.ts'
import {
  checkEncryptionProperties,
  checkProperties,
  FORMAT_VERSION,
  isReserved,
  NEW_TABLE_PROPERTIES,
  type CheckLocation,
  type Properties,
} from './table-properties.ts'
import type { TableUpdate } from './table-update.ts'
import { canonicalUuid, isUuid } from './uuid.ts'

export interface NewTable {
  readonly uuid: string
  readonly location: string
  /** As the client sent it; ids are assigned anew. */
  readonly schema: unknown
  readonly spec?: unknown
  readonly order?: unknown
  /** `format-version` selects the version; it and the other reserved keys are not kept. */
  readonly properties: Properties
  readonly now: number
  readonly checkLocation?: CheckLocation | undefined
  readonly limits?: TableLimits | undefined
}

/** @throws IcebergError 400 naming what is wrong */
export function newTableMetadata(table: NewTable): TableMetadata {
  const version = formatVersionOf(table.properties)
  const location = withoutTrailingSlash(table.location)
  if (location === '') throw badRequest('Invalid location: must not be empty')
  if (!isUuid(table.uuid)) throw badRequest(`Invalid uuid: ${short(table.uuid)}`)
  table.checkLocation?.(location, 'location of the table')
  checkSchema(table.schema, version)
  const { schema, lastColumnId, idMap } = assignFreshIds(writtenSchema(table.schema))
  const { spec, lastPartitionId } = freshPartitionSpec({ spec: table.spec, schema, idMap, formatVersion: version })
  const order = freshSortOrder({ order: table.order, schema, idMap })
  const kept = Object.fromEntries(Object.entries(table.properties).filter(([key]) => !isReserved(key)))
  checkProperties(kept, table.checkLocation)
  checkEncryptionProperties(kept, version)
  checkMetricsColumns(kept, schema)
  const metadata: TableMetadata = {
    'format-version': version,
    'table-uuid': canonicalUuid(table.uuid),
    location,
    'last-sequence-number': 0,
    'last-updated-ms': table.now,
    'last-column-id': lastColumnId,
    'current-schema-id': 0,
    schemas: [schema],
    'default-spec-id': spec['spec-id'],
    'partition-specs': [spec],
    'last-partition-id': lastPartitionId,
    'default-sort-order-id': order['order-id'],
    'sort-orders': [order],
    properties: { ...NEW_TABLE_PROPERTIES, ...kept },
    ...(version >= ROW_LINEAGE_FORMAT_VERSION ? { 'next-row-id': 0 } : {}),
    refs: {},
    snapshots: [],
    statistics: [],
    'partition-statistics': [],
    'snapshot-log': [],
    'metadata-log': [],
  }
  checkInvariants(metadata)
  checkTableLimits(metadata, undefined, table.limits ?? DEFAULT_TABLE_LIMITS)
  return metadata
}

function formatVersionOf(properties: Properties): number {
  if (!Object.hasOwn(properties, FORMAT_VERSION)) return DEFAULT_FORMAT_VERSION
  const text = properties[FORMAT_VERSION] as string
  const version = /^\d{1,9}$/.test(text) ? Number(text) : text
  checkFormatVersion(version)
  return version
}

const METRICS_COLUMN = 'write.metadata.metrics.column.'

/** A mistyped column would silently get the default metrics for ever. */
function checkMetricsColumns(properties: Properties, schema: Schema): void {
  const { byName } = schemaIndex(schema)
  for (const key of Object.keys(properties)) {
    if (!key.startsWith(METRICS_COLUMN)) continue
    const column = key.slice(METRICS_COLUMN.length)
    if (!byName.has(column)) {
      throw validationFailed(
        `Invalid metrics config, could not find column ${short(column)} from table prop ${short(key)} in schema`,
      )
    }
  }
}

/** The table that a commit with `assert-create` describes. */
export function createFromUpdates(updates: readonly TableUpdate[], options: ApplyOptions): TableMetadata {
  return applyUpdates(undefined, updates, options).metadata
}
