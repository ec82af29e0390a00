/** Statistics files of a table: at most one of each kind for a snapshot. */
import type { JsonValue } from './json.ts'
import type { Long } from './long.ts'

export interface BlobMetadata {
  readonly type: string
  readonly 'snapshot-id': Long
  readonly 'sequence-number': Long
  readonly fields: readonly number[]
  readonly properties?: Readonly<Record<string, string>>
  readonly [unknownField: string]: JsonValue | undefined
}

export interface StatisticsFile {
  readonly 'snapshot-id': Long
  readonly 'statistics-path': string
  readonly 'file-size-in-bytes': Long
  readonly 'file-footer-size-in-bytes': Long
  readonly 'blob-metadata': readonly BlobMetadata[]
  readonly [unknownField: string]: JsonValue | undefined
}

export interface PartitionStatisticsFile {
  readonly 'snapshot-id': Long
  readonly 'statistics-path': string
  readonly 'file-size-in-bytes': Long
  readonly [unknownField: string]: JsonValue | undefined
}
