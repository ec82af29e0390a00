/** `snapshots=refs`: the metadata with only those snapshots that a branch or tag names. */
import type { TableMetadata } from './table-metadata.ts'
export declare function refsOnly(metadata: TableMetadata): TableMetadata
