/**
 * What holds in every table's metadata, however it came about: made by a creation or a commit, or registered, in a file that
 * another program wrote. A catalog that lets a violation through has a table that no reference reader opens.
 */
import { highest, short } from './document.ts'
import { checkEncryptedKey } from './encryption-key.ts'
import { validationFailed } from './errors.ts'
import { checkLayout } from './layout.ts'
import { addLong, type Long } from './long.ts'
import type { Schema } from './schema.ts'
import { checkRetention, MAIN_BRANCH, sequenceNumber, type Snapshot } from './snapshot.ts'
import type { TableMetadata } from './table-metadata.ts'

/** Commits come from machines whose clocks differ a little. */
export const CLOCK_TOLERANCE_MS = 60_000

/** Whether `later` is before `earlier` by more than clocks differ. Exact over all of int64. */
export function isBefore(later: Long, earlier: Long): boolean {
  // Where a difference of numbers is rounded, it is far from the tolerance.
  if (typeof later === 'number' && typeof earlier === 'number') return later - earlier < -CLOCK_TOLERANCE_MS
  return BigInt(later) - BigInt(earlier) < BigInt(-CLOCK_TOLERANCE_MS)
}

type IsKept = (key: keyof TableMetadata) => boolean

const LAYOUT = [
  'schemas',
  'current-schema-id',
  'partition-specs',
  'default-spec-id',
  'sort-orders',
  'default-sort-order-id',
] as const

/** What is the very same in `base`, the table before the commit, is not gone through again. */
export function checkInvariants(metadata: TableMetadata, base?: TableMetadata): void {
  const isKept: IsKept = (key) => base !== undefined && base[key] === metadata[key]
  checkConsistency(metadata, isKept)
  if (!LAYOUT.every(isKept)) checkLayout(metadata, currentSchema(metadata))
  // A commit checks what it adds to a table.
  if (base !== undefined) return
  checkLastIds(metadata)
  for (const snapshot of metadata.snapshots) checkSnapshot(metadata, snapshot)
  for (const [name, ref] of Object.entries(metadata.refs)) checkRetention(name, ref)
  for (const key of metadata['encryption-keys'] ?? []) checkEncryptedKey(key)
}

const currentSchema = ({ schemas, 'current-schema-id': id }: TableMetadata): Schema =>
  schemas.find((schema) => schema['schema-id'] === id) as Schema

/**
 * The part without which we can't work with a table ourselves. Metadata that the catalog has is held to no more when it is
 * read: a table that an earlier release let break can be mended by a commit.
 */
export function checkConsistency(metadata: TableMetadata, isKept: IsKept = () => false): void {
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

function checkDefaults(metadata: TableMetadata, isKept: IsKept): void {
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

/**
 * An id of a partition field must not be given again: manifests refer to it. (A `last-column-id` that is too low is read, as
 * other catalogs read it: a schema with an id twice is refused in any case, and the next schema raises it.)
 */
function checkLastIds(metadata: TableMetadata): void {
  const fields = metadata['partition-specs'].flatMap((spec) => spec.fields.map((field) => field['field-id']))
  const field = highest(fields, 0)
  if (field > metadata['last-partition-id']) {
    throw validationFailed(`Invalid last-partition-id ${metadata['last-partition-id']}: a partition field has id ${field}`)
  }
}

function checkSnapshot(metadata: TableMetadata, snapshot: Snapshot): void {
  const what = `snapshot ${snapshot['snapshot-id']}`
  if (snapshot['manifest-list'] === undefined && snapshot.manifests === undefined) {
    throw validationFailed(`Invalid ${what}: manifest-list or manifests is required`)
  }
  const { 'first-row-id': first, 'added-rows': added } = snapshot
  if (first === undefined) return
  if (added === undefined) throw validationFailed(`Invalid ${what}: added-rows is required with first-row-id`)
  const next = metadata['next-row-id']
  if (next !== undefined && addLong(first, added) > next) {
    throw validationFailed(`Invalid next-row-id ${next}: the rows of ${what} reach to ${addLong(first, added)}`)
  }
}

function checkReferences(metadata: TableMetadata): void {
  const ids = new Set(metadata.snapshots.map((snapshot: Snapshot) => snapshot['snapshot-id']))
  for (const [name, ref] of Object.entries(metadata.refs)) {
    if (!ids.has(ref['snapshot-id'])) {
      throw validationFailed(
        `Snapshot ${ref['snapshot-id']} of reference ${short(name)} does not exist in the existing snapshots list`,
      )
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
