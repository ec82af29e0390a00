/**
 * Snapshots, the references (branches and tags) that name them, and the two logs of a table: shapes and the checks that a
 * document's own content allows. What a snapshot may be next to the rest of a table is the business of `updates/`.
 */
import type { JsonValue } from './json.ts'
import type { Long } from './long.ts'

/** Keys as in the specification; fields that we do not know are kept. */
export interface Snapshot {
  readonly 'snapshot-id': Long
  readonly 'parent-snapshot-id'?: Long
  /** Absent means 0, as in format version 1. */
  readonly 'sequence-number'?: Long
  readonly 'timestamp-ms': Long
  readonly 'manifest-list'?: string
  /** Format version 1 alone. */
  readonly manifests?: readonly string[]
  readonly summary?: Readonly<Record<string, string>>
  readonly 'schema-id'?: number
  readonly 'first-row-id'?: Long
  readonly 'added-rows'?: Long
  readonly 'key-id'?: string
  readonly [unknownField: string]: JsonValue | undefined
}

export interface SnapshotReference {
  readonly 'snapshot-id': Long
  readonly type: 'branch' | 'tag'
  readonly 'min-snapshots-to-keep'?: number
  readonly 'max-snapshot-age-ms'?: Long
  readonly 'max-ref-age-ms'?: Long
  readonly [unknownField: string]: JsonValue | undefined
}

export interface SnapshotLogEntry {
  readonly 'timestamp-ms': Long
  readonly 'snapshot-id': Long
  readonly [unknownField: string]: JsonValue | undefined
}

export interface MetadataLogEntry {
  readonly 'timestamp-ms': Long
  readonly 'metadata-file': string
  readonly [unknownField: string]: JsonValue | undefined
}

export const MAIN_BRANCH = 'main'

export function sequenceNumber(snapshot: Snapshot): Long {
  return snapshot['sequence-number'] ?? 0
}
