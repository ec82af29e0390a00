/**
 * What holds in every table's metadata, however it came about: read from a file that somebody else wrote, or made by a
 * commit. A catalog that lets a violation through has a table that no reference reader opens.
 */
import { validationFailed } from './errors.ts'
import type { Long } from './long.ts'
import { MAIN_BRANCH, sequenceNumber, type Snapshot } from './snapshot.ts'
import type { TableMetadata } from './table-metadata.ts'

/** Commits come from machines whose clocks differ a little. */
export const CLOCK_TOLERANCE_MS = 60_000

/** Whether `later` is before `earlier` by more than clocks differ. Exact over all of int64. */
export function isBefore(later: Long, earlier: Long): boolean {
  // Where a difference of numbers is rounded, it is far from the tolerance.
  if (typeof later === 'number' && typeof earlier === 'number') return later - earlier < -CLOCK_TOLERANCE_MS
  return BigInt(later) - BigInt(earlier) < BigInt(-CLOCK_TOLERANCE_MS)
}

/** What is the very same in `base`, where they hold, is not gone through again. */
export function checkInvariants(metadata: TableMetadata, base?: TableMetadata): void {
  const isKept = (key: keyof TableMetadata): boolean => base !== undefined && base[key] === metadata[key]
  checkIdentity(metadata)
  checkDefaults(metadata, isKept)
  if (!isKept('snapshots') || !isKept('last-sequence-number')) checkSnapshots(metadata)
  if (!isKept('snapshots') || !isKept('refs') || !isKept('current-snapshot-id')) checkReferences(metadata)
  for (const key of ['snapshot-log', 'metadata-log'] as const) {
    if (!isKept(key)) checkSorted(metadata, key)
    checkUpdated(metadata, key)
  }
}

function checkIdentity(metadata: TableMetadata): void {
  const version = metadata['format-version']
  if (version > 1 && metadata['table-uuid'] === undefined) throw validationFailed(`table-uuid is required in format v${version}`)
  if (version === 1 && metadata['last-sequence-number'] !== 0) {
    throw validationFailed(`Sequence number must be 0 in v1: ${metadata['last-sequence-number']}`)
  }
  if (version >= 3 && metadata['next-row-id'] === undefined)
    throw validationFailed(`next-row-id is required in format v${version}`)
}

/** @throws IcebergError unless all ids of the list differ */
export function checkUnique<T>(items: readonly T[], what: string, idOf: (item: T) => Long | string): void {
  const seen = new Set<Long | string>()
  for (const item of items) {
    const id = idOf(item)
    if (seen.has(id)) throw validationFailed(`Invalid metadata: more than one ${what} has the id ${id}`)
    seen.add(id)
  }
}

function checkDefaults(metadata: TableMetadata, isKept: (key: keyof TableMetadata) => boolean): void {
  if (!isKept('schemas')) checkUnique(metadata.schemas, 'schema', (schema) => schema['schema-id'] ?? 0)
  if (!isKept('partition-specs')) checkUnique(metadata['partition-specs'], 'partition spec', (spec) => spec['spec-id'])
  if (!isKept('sort-orders')) checkUnique(metadata['sort-orders'], 'sort order', (order) => order['order-id'])
  if (!isKept('encryption-keys')) checkUnique(metadata['encryption-keys'] ?? [], 'encryption key', (key) => key['key-id'])
  const { 'current-schema-id': schemaId, 'default-spec-id': specId, 'default-sort-order-id': orderId } = metadata
  if (!metadata.schemas.some((schema) => schema['schema-id'] === schemaId)) {
    throw validationFailed(`Cannot find schema with current-schema-id=${schemaId} in schemas`)
  }
  if (!metadata['partition-specs'].some((spec) => spec['spec-id'] === specId)) {
    throw validationFailed(`Cannot find partition spec with default-spec-id=${specId} in partition-specs`)
  }
  if (!metadata['sort-orders'].some((order) => order['order-id'] === orderId)) {
    throw validationFailed(`Cannot find sort order with default-sort-order-id=${orderId} in sort-orders`)
  }
}

function checkSnapshots(metadata: TableMetadata): void {
  const last = metadata['last-sequence-number']
  checkUnique(metadata.snapshots, 'snapshot', (snapshot) => snapshot['snapshot-id'])
  for (const snapshot of metadata.snapshots) {
    if (sequenceNumber(snapshot) > last) {
      throw validationFailed(
        `Invalid snapshot ${snapshot['snapshot-id']} with sequence number ${sequenceNumber(snapshot)} greater than last sequence number ${last}`,
      )
    }
  }
}

function checkReferences(metadata: TableMetadata): void {
  const ids = new Set(metadata.snapshots.map((snapshot: Snapshot) => snapshot['snapshot-id']))
  for (const [name, ref] of Object.entries(metadata.refs)) {
    if (!ids.has(ref['snapshot-id'])) {
      throw validationFailed(`Snapshot ${ref['snapshot-id']} of reference ${name} does not exist in the existing snapshots list`)
    }
  }
  const current = metadata['current-snapshot-id']
  const main = Object.hasOwn(metadata.refs, MAIN_BRANCH) ? metadata.refs[MAIN_BRANCH]?.['snapshot-id'] : undefined
  if (current === undefined) {
    if (main !== undefined) throw validationFailed(`Current snapshot is not set, but ${MAIN_BRANCH} branch exists: ${main}`)
    return
  }
  if (!ids.has(current)) throw validationFailed(`Cannot find current snapshot ${current} in snapshots`)
  if (main !== undefined && main !== current) {
    throw validationFailed(`Current snapshot ID does not match ${MAIN_BRANCH} branch (${current} != ${main})`)
  }
}

type Log = 'snapshot-log' | 'metadata-log'

function checkSorted(metadata: TableMetadata, key: Log): void {
  let previous: Long | undefined
  for (const { 'timestamp-ms': time } of metadata[key]) {
    if (previous !== undefined && isBefore(time, previous)) {
      throw validationFailed(`Expected sorted ${key} entries, got ${time} after ${previous}`)
    }
    previous = time
  }
}

function checkUpdated(metadata: TableMetadata, key: Log): void {
  const [updated, last] = [metadata['last-updated-ms'], metadata[key].at(-1)?.['timestamp-ms']]
  if (last !== undefined && isBefore(updated, last)) {
    throw validationFailed(`Invalid update timestamp ${updated}: before last ${key} entry at ${last}`)
  }
}
