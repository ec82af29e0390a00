/** One commit to a table: requirements, updates and the log of metadata files. */
import type { ApplyOptions } from './table-metadata-builder.ts'
import type { TableMetadata } from './table-metadata.ts'
import type { TableRequirement } from './table-requirement.ts'
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
  readonly changed: boolean
  readonly changes: readonly TableUpdate[]
  /** Metadata files that fell off the log. Whether they may be deleted is for the catalog to decide. */
  readonly removedMetadataLocations: readonly string[]
}
/** Without a base, the commit creates (`assert-create`). */
export declare function commitTable(base: TableMetadata | undefined, commit: TableCommit, options: CommitOptions): Committed
