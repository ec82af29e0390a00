/**
 * `snapshots=refs`: the metadata with only those snapshots that a branch or tag names. Clients load the rest when they need
 * it, and commit by updates alone, so nothing is lost by it.
 */
import type { TableMetadata } from './table-metadata.ts'

export function refsOnly(metadata: TableMetadata): TableMetadata {
  const named = new Set(Object.values(metadata.refs).map((ref) => ref['snapshot-id']))
  const snapshots = metadata.snapshots.filter((snapshot) => named.has(snapshot['snapshot-id']))
  return snapshots.length === metadata.snapshots.length ? metadata : { ...metadata, snapshots }
}
