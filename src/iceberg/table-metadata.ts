/**
 * Table metadata of format versions 1, 2 and 3: read, checked, and written as the reference implementation writes it. In
 * memory there is one form for all versions; what older writers left out is filled in on reading, and what older readers
 * want (the singular `schema` and `partition-spec` of version 1) is added on writing. Unknown fields survive both.
 */
import type { EncryptedKey } from './encryption-key.ts'
import type { JsonValue } from './json.ts'
import type { Long } from './long.ts'
import type { PartitionSpec } from './partition-spec.ts'
import type { Schema } from './schema.ts'
import type { MetadataLogEntry, Snapshot, SnapshotLogEntry, SnapshotReference } from './snapshot.ts'
import type { SortOrder } from './sort-order.ts'
import type { PartitionStatisticsFile, StatisticsFile } from './statistics.ts'

export interface TableMetadata {
  readonly 'format-version': number
  /** Only a table of format version 1 may lack it. */
  readonly 'table-uuid'?: string
  readonly location: string
  /** 0 in format version 1, which does not write it. */
  readonly 'last-sequence-number': Long
  readonly 'last-updated-ms': Long
  readonly 'last-column-id': number
  readonly 'current-schema-id': number
  readonly schemas: readonly Schema[]
  readonly 'default-spec-id': number
  readonly 'partition-specs': readonly PartitionSpec[]
  readonly 'last-partition-id': number
  readonly 'default-sort-order-id': number
  readonly 'sort-orders': readonly SortOrder[]
  readonly properties: Readonly<Record<string, string>>
  /** Absent when there is none (written as -1, or `null` from version 3 on). */
  readonly 'current-snapshot-id'?: Long
  readonly 'next-row-id'?: Long
  readonly 'encryption-keys'?: readonly EncryptedKey[]
  readonly refs: Readonly<Record<string, SnapshotReference>>
  readonly snapshots: readonly Snapshot[]
  readonly statistics: readonly StatisticsFile[]
  readonly 'partition-statistics': readonly PartitionStatisticsFile[]
  readonly 'snapshot-log': readonly SnapshotLogEntry[]
  readonly 'metadata-log': readonly MetadataLogEntry[]
  readonly [unknownField: string]: JsonValue | undefined
}

/** @throws IcebergError ValidationException naming the field and what was expected */
export declare function parseTableMetadata(input: Uint8Array | JsonValue): TableMetadata
export declare function serializeTableMetadata(metadata: TableMetadata): string
export declare function currentSchema(metadata: TableMetadata): Schema
