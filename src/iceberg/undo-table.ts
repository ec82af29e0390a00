/**
 * Takes back what one commit did to a table. The state is that of the metadata before the commit, in a document of its own that
 * comes after the one of now: readers and writers that know the table as it is must not meet a number or an id again that
 * means something else. So what only grows goes on from where it is, and what was given an id stays in its list.
 */
import { sameJson, short } from './document.ts'
import { conflict } from './errors.ts'
import { maxLong, type Long } from './long.ts'
import { namedFiles } from './named-files.ts'
import type { SnapshotLogEntry } from './snapshot.ts'
import { appendMetadataLog } from './table-commit.ts'
import { checkInvariants } from './table-invariants.ts'
import { checkTableLimits, DEFAULT_TABLE_LIMITS, type TableLimits } from './table-limits.ts'
import type { TableMetadata } from './table-metadata.ts'
import { ENCRYPTION_KEY_ID, type Properties } from './table-properties.ts'

export interface UndoOptions {
  /** Milliseconds since 1970. */
  readonly now: number
  /** Where the metadata of now was read from: becomes the newest entry of the metadata log. */
  readonly currentFile: string
  readonly beforeFile: string
  readonly limits?: TableLimits
}

export interface Undone<M> {
  readonly metadata: M
  /** What of the metadata is other than it is now, without the logs and times that change with every commit. */
  readonly fields: readonly string[]
  /** Metadata files that fell off the log. */
  readonly removedMetadataLocations: readonly string[]
  /** Files that the metadata of now does not name. They may have been deleted since. */
  readonly restoredFiles: readonly string[]
  /** Those of snapshots among them. */
  readonly restoredManifests: readonly string[]
}

/**
 * `current` is the metadata that the commit made, and `before` that which it found.
 * @throws IcebergError 409 for what can't be taken back, 400 when the result would break a rule or limit of tables
 */
export function undoTable(current: TableMetadata, before: TableMetadata, options: UndoOptions): Undone<TableMetadata> {
  const [uuid, other] = [current['table-uuid'], before['table-uuid']]
  const isOther = uuid !== undefined && other !== undefined && uuid !== other
  const taken = isOther ? replaced(before, options) : takenBack(current, before, options)
  const logged = isOther
    ? appendMetadataLog(taken, { 'timestamp-ms': before['last-updated-ms'], 'metadata-file': options.beforeFile })
    : appendMetadataLog(taken, { 'timestamp-ms': current['last-updated-ms'], 'metadata-file': options.currentFile })
  const metadata = { ...taken, 'metadata-log': logged.log }
  // All of them: the file of before may have been written by another program.
  checkInvariants(metadata)
  checkTableLimits(metadata, current, options.limits ?? DEFAULT_TABLE_LIMITS)
  const known = new Set(namedFiles(current))
  return {
    metadata,
    fields: changedFields(current, metadata),
    removedMetadataLocations: logged.removed.map((entry) => entry['metadata-file']),
    restoredFiles: namedFiles(metadata).filter((file) => !known.has(file)),
    restoredManifests: namedFiles({ snapshots: metadata.snapshots }).filter((file) => !known.has(file)),
  }
}

/** A file of another table stood in its place for a while: nothing of that is the table's own. */
const replaced = (before: TableMetadata, { now }: UndoOptions): TableMetadata => ({
  ...before,
  'last-updated-ms': maxLong(before['last-updated-ms'], now),
})

function takenBack(current: TableMetadata, before: TableMetadata, { now }: UndoOptions): TableMetadata {
  const version = current['format-version']
  if (before['format-version'] !== version)
    throw conflict(`It raised the format version from ${before['format-version']} to ${version}, which never goes down`)
  checkEncryption(current.properties, before.properties)
  const uuid = current['table-uuid'] ?? before['table-uuid']
  const [row, rowBefore] = [current['next-row-id'], before['next-row-id']]
  const nextRowId = row === undefined || rowBefore === undefined ? (row ?? rowBefore) : maxLong(row, rowBefore)
  const updated = maxLong(current['last-updated-ms'], now)
  return {
    ...before,
    ...(uuid === undefined ? {} : { 'table-uuid': uuid }),
    'last-sequence-number': maxLong(current['last-sequence-number'], before['last-sequence-number']),
    'last-updated-ms': updated,
    'last-column-id': Math.max(current['last-column-id'], before['last-column-id']),
    'last-partition-id': Math.max(current['last-partition-id'], before['last-partition-id']),
    ...(nextRowId === undefined ? {} : { 'next-row-id': nextRowId }),
    schemas: kept('schema', current.schemas, before.schemas, (schema) => schema['schema-id'] as number),
    'partition-specs': kept('partition spec', current['partition-specs'], before['partition-specs'], (spec) => spec['spec-id']),
    'sort-orders': kept('sort order', current['sort-orders'], before['sort-orders'], (order) => order['order-id']),
    'snapshot-log': snapshotLog(current, before, updated),
    'metadata-log': current['metadata-log'],
  }
}

/** As a commit may not change it either: which key has encrypted the files that there are must stay known. */
function checkEncryption(current: Properties, before: Properties): void {
  const keyOf = (properties: Properties) => (Object.hasOwn(properties, ENCRYPTION_KEY_ID) ? properties[ENCRYPTION_KEY_ID] : '')
  if (keyOf(current) !== '' && keyOf(current) !== keyOf(before))
    throw conflict(`It set the property ${ENCRYPTION_KEY_ID}, which stays as it is once it is set`)
}

/** Those of before, and behind them what has been given an id since. @throws IcebergError 409 for an id that has two meanings */
export function kept<T>(what: string, current: readonly T[], before: readonly T[], idOf: (item: T) => number): readonly T[] {
  const known = new Map(before.map((item) => [idOf(item), item]))
  const added = current.filter((item) => {
    const same = known.get(idOf(item))
    if (same !== undefined && !sameJson(same, item)) throw conflict(`It gave the id ${idOf(item)} to another ${what}`)
    return same === undefined
  })
  return added.length === 0 && before.length === current.length && before.every((item, at) => sameJson(item, current[at]))
    ? current
    : [...before, ...added]
}

/**
 * What was current when. Entries up to the last one of a snapshot that is gone go with it, as when snapshots are removed: a gap
 * would make an earlier snapshot seem to have been current longer.
 */
function snapshotLog(current: TableMetadata, before: TableMetadata, updated: Long): readonly SnapshotLogEntry[] {
  const older = before['snapshot-log']
  const all = [...older, ...since(current['snapshot-log'], older)]
  const id = before['current-snapshot-id']
  if (id !== undefined && all.at(-1)?.['snapshot-id'] !== id) all.push({ 'timestamp-ms': updated, 'snapshot-id': id })
  const ids = new Set(before.snapshots.map((snapshot) => snapshot['snapshot-id']))
  return all.slice(all.findLastIndex((entry) => !ids.has(entry['snapshot-id'])) + 1)
}

/** What the commit added to the log; it may have cut the log, too. */
function since(log: readonly SnapshotLogEntry[], older: readonly SnapshotLogEntry[]): readonly SnapshotLogEntry[] {
  const last = older.at(-1)
  const common = last === undefined ? -1 : log.findLastIndex((entry) => sameJson(entry, last))
  if (common !== -1) return log.slice(common + 1)
  const textOf = (entry: SnapshotLogEntry): string => `${entry['timestamp-ms']} ${entry['snapshot-id']}`
  const known = new Set(older.map(textOf))
  return log.filter((entry) => !known.has(textOf(entry)))
}

const WITH_EVERY_COMMIT: ReadonlySet<string> = new Set(['last-updated-ms', 'metadata-log', 'snapshot-log', 'version-log'])

export function changedFields(current: object, undone: object): string[] {
  const [now, then] = [new Map(Object.entries(current)), new Map(Object.entries(undone))]
  const names = [...new Set([...now.keys(), ...then.keys()])].filter((name) => !WITH_EVERY_COMMIT.has(name))
  return names
    .filter((name) => !sameJson(now.get(name), then.get(name)))
    .map(short)
    .toSorted()
}
