/**
 * How much one table may hold. All of it is read and written with each commit, so a table without bounds would make its
 * commits as slow as it likes. A table that is over a bound, since it came so or the bound was lowered, can be changed in
 * any way that does not let it grow.
 */
import { badRequest } from './errors.ts'
import { schemaIndex } from './schema.ts'
import type { TableMetadata } from './table-metadata.ts'

export interface TableLimits {
  /** Of one schema, nested ones among them. */
  readonly columns: number
  readonly properties: number
  readonly schemas: number
  readonly snapshots: number
  /** Of the metadata as JSON. */
  readonly bytes: number
}

/** What a message calls them. */
export const LIMIT_SETTINGS: Readonly<Record<keyof TableLimits, string>> = {
  columns: 'PANGOLIN_MAX_TABLE_COLUMNS',
  properties: 'PANGOLIN_MAX_TABLE_PROPERTIES',
  schemas: 'PANGOLIN_MAX_TABLE_SCHEMAS',
  snapshots: 'PANGOLIN_MAX_TABLE_SNAPSHOTS',
  bytes: 'PANGOLIN_MAX_TABLE_METADATA_BYTES',
}

export const DEFAULT_TABLE_LIMITS: TableLimits = {
  columns: 10_000,
  properties: 10_000,
  schemas: 10_000,
  snapshots: 200_000,
  bytes: 64 * 1024 * 1024,
}

/** @throws IcebergError 400 that names the setting and the count */
export function checkLimit(limits: TableLimits, what: keyof TableLimits, count: number, before: number): void {
  if (count <= limits[what] || count <= before) return
  const noun = what === 'bytes' ? 'bytes of metadata' : what
  throw badRequest(`The table would have ${count} ${noun}; ${LIMIT_SETTINGS[what]} of this server allows ${limits[what]}`)
}

/** Looks only at what the base does not have. @throws IcebergError 400 that names the setting and the count */
export function checkTableLimits(metadata: TableMetadata, base: TableMetadata | undefined, limits: TableLimits): void {
  checkLimit(limits, 'schemas', metadata.schemas.length, base?.schemas.length ?? 0)
  checkLimit(limits, 'snapshots', metadata.snapshots.length, base?.snapshots.length ?? 0)
  if (metadata.properties !== base?.properties) {
    const before = base === undefined ? 0 : Object.keys(base.properties).length
    checkLimit(limits, 'properties', Object.keys(metadata.properties).length, before)
  }
  if (metadata.schemas === base?.schemas) return
  const known = new Set(base?.schemas)
  const added = metadata.schemas.filter((schema) => !known.has(schema))
  if (added.length === 0) return
  const current = base?.schemas.find((schema) => schema['schema-id'] === base['current-schema-id'])
  const widest = current === undefined ? 0 : schemaIndex(current).byId.size
  for (const schema of added) checkLimit(limits, 'columns', schemaIndex(schema).byId.size, widest)
}
