/**
 * One commit to a table: its requirements against the base, its updates, and the log of the metadata files that went before.
 * What it answers is only a proposal; it becomes the table's state when the catalog swaps the pointer.
 */
import { validationFailed } from './errors.ts'
import type { MetadataLogEntry } from './snapshot.ts'
import { applyUpdates, type ApplyOptions } from './table-metadata-builder.ts'
import type { TableMetadata } from './table-metadata.ts'
import { integerProperty, PREVIOUS_VERSIONS_MAX } from './table-properties.ts'
import { checkRequirements, isCreate, type TableRequirement } from './table-requirement.ts'
import type { TableUpdate } from './table-update.ts'

export interface TableCommit {
  readonly requirements: readonly TableRequirement[]
  readonly updates: readonly TableUpdate[]
}

export interface CommitOptions extends ApplyOptions {
  /** Where the base was read from: becomes the newest entry of the metadata log. */
  readonly previousMetadataLocation?: string | undefined
}

export interface Committed {
  readonly metadata: TableMetadata
  /** False when the result equals the base: nothing needs to be written. */
  readonly changed: boolean
  readonly changes: readonly TableUpdate[]
  /** Metadata files that fell off the log. Whether they may be deleted is for the catalog to decide. */
  readonly removedMetadataLocations: readonly string[]
}

const PREVIOUS_VERSIONS_DEFAULT = 100

/**
 * Without a base, the commit creates, and must say so (`assert-create`).
 * @throws IcebergError 409 when a requirement does not hold or a number is stale; 400 for what can never succeed
 */
export function commitTable(base: TableMetadata | undefined, commit: TableCommit, options: CommitOptions): Committed {
  checkRequirements(commit.requirements, base)
  if (base === undefined && !isCreate(commit.requirements)) throw validationFailed('Cannot create a table without assert-create')
  const applied = applyUpdates(base, commit.updates, options)
  const location = options.previousMetadataLocation
  if (!applied.changed || base === undefined || location === undefined) return { ...applied, removedMetadataLocations: [] }
  const { log, removed } = appendMetadataLog(applied.metadata, {
    'timestamp-ms': base['last-updated-ms'],
    'metadata-file': location,
  })
  return {
    ...applied,
    metadata: { ...applied.metadata, 'metadata-log': log },
    removedMetadataLocations: removed.map((entry) => entry['metadata-file']),
  }
}

/** Cut to the length that the table wants. */
export function appendMetadataLog(
  metadata: TableMetadata,
  entry: MetadataLogEntry,
): { readonly log: readonly MetadataLogEntry[]; readonly removed: readonly MetadataLogEntry[] } {
  const entries = [...metadata['metadata-log'], entry]
  const kept = Math.max(1, integerProperty(metadata.properties, PREVIOUS_VERSIONS_MAX, PREVIOUS_VERSIONS_DEFAULT))
  const first = Math.max(0, entries.length - kept)
  return { log: entries.slice(first), removed: entries.slice(0, first) }
}
