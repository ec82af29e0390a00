/**
 * The metadata of a table while the updates of one commit are applied to it: the collections by id, and what later
 * updates of the same commit refer to ("the one added last"). A draft lives for one call and is seen in it alone.
 */
import type { EncryptedKey } from '../encryption-key.ts'
import { badRequest } from '../errors.ts'
import type { Long } from '../long.ts'
import { NO_PARTITION_ID, type PartitionSpec } from '../partition-spec.ts'
import type { Schema } from '../schema.ts'
import type { SchemaHistory } from '../schema-history.ts'
import type { Snapshot, SnapshotLogEntry, SnapshotReference } from '../snapshot.ts'
import type { SortOrder } from '../sort-order.ts'
import type { PartitionStatisticsFile, StatisticsFile } from '../statistics.ts'
import type { CheckLocation } from '../table-properties.ts'
import type { TableMetadata } from '../table-metadata.ts'
import { DEFAULT_FORMAT_VERSION, ROW_LINEAGE_FORMAT_VERSION } from '../table-metadata.ts'
import { LazyMap } from './lazy-map.ts'

export interface Draft {
  readonly base: TableMetadata | undefined
  readonly checkLocation: CheckLocation | undefined
  /** The `last-updated-ms` of the result: never before that of the base, so that no clock can break a table's logs. */
  readonly updatedMs: Long
  formatVersion: number
  uuid: string | undefined
  location: string | undefined
  lastSequenceNumber: Long
  lastColumnId: number
  currentSchemaId: number
  readonly schemas: LazyMap<number, Schema>
  /** Of `schemas`, once they were asked for. */
  schemaHistory: SchemaHistory | undefined
  defaultSpecId: number
  readonly specs: LazyMap<number, PartitionSpec>
  lastPartitionId: number
  defaultSortOrderId: number
  readonly orders: LazyMap<number, SortOrder>
  readonly properties: LazyMap<string, string>
  currentSnapshotId: Long | undefined
  nextRowId: Long | undefined
  readonly encryptionKeys: LazyMap<string, EncryptedKey>
  readonly refs: LazyMap<string, SnapshotReference>
  readonly snapshots: LazyMap<Long, Snapshot>
  readonly statistics: LazyMap<Long, readonly StatisticsFile[]>
  readonly partitionStatistics: LazyMap<Long, readonly PartitionStatisticsFile[]>
  readonly snapshotLog: SnapshotLogEntry[]

  /** What -1 means: the id that the last add of this commit resolved to, new or reused. */
  lastAddedSchemaId: number | undefined
  lastAddedSpecId: number | undefined
  lastAddedOrderId: number | undefined
  readonly addedSnapshotIds: Set<Long>
  /** Of the added ones, those that were current at some time of this commit. */
  readonly setAsCurrent: Set<Long>
  readonly removedSchemaIds: Set<number>
  hasRemovedSnapshots: boolean
  /** Snapshots went away since the references were looked at. */
  refsMayDangle: boolean
}

/** Statistics files by their snapshot, in the order of the document. */
function bySnapshot<T extends { readonly 'snapshot-id': Long }>(files: readonly T[]): Map<Long, readonly T[]> {
  const index = new Map<Long, T[]>()
  for (const file of files) {
    const known = index.get(file['snapshot-id'])
    if (known === undefined) index.set(file['snapshot-id'], [file])
    else known.push(file)
  }
  return index
}

const indexed = <K, T>(items: readonly T[] | undefined, key: (item: T) => K): LazyMap<K, T> =>
  new LazyMap(() => new Map(items?.map((item) => [key(item), item])))

const mapOf = <T>(record: Readonly<Record<string, T>> | undefined): LazyMap<string, T> =>
  new LazyMap(() => new Map(Object.entries(record ?? {})))

export interface DraftOptions {
  readonly now: number
  readonly checkLocation?: CheckLocation | undefined
  /** Of a table that is created. */
  readonly formatVersion?: number
}

export function openDraft(base: TableMetadata | undefined, options: DraftOptions): Draft {
  const formatVersion = base?.['format-version'] ?? options.formatVersion ?? DEFAULT_FORMAT_VERSION
  const lastUpdated = base?.['last-updated-ms']
  return {
    base,
    checkLocation: options.checkLocation,
    updatedMs: lastUpdated !== undefined && lastUpdated > options.now ? lastUpdated : options.now,
    formatVersion,
    uuid: base?.['table-uuid'],
    location: base?.location,
    lastSequenceNumber: base?.['last-sequence-number'] ?? 0,
    lastColumnId: base?.['last-column-id'] ?? 0,
    currentSchemaId: base?.['current-schema-id'] ?? 0,
    schemas: indexed(base?.schemas, (schema) => schema['schema-id'] as number),
    schemaHistory: undefined,
    defaultSpecId: base?.['default-spec-id'] ?? 0,
    specs: indexed(base?.['partition-specs'], (spec) => spec['spec-id']),
    lastPartitionId: base?.['last-partition-id'] ?? NO_PARTITION_ID,
    defaultSortOrderId: base?.['default-sort-order-id'] ?? 0,
    orders: indexed(base?.['sort-orders'], (order) => order['order-id']),
    properties: mapOf(base?.properties),
    currentSnapshotId: base?.['current-snapshot-id'],
    nextRowId: base?.['next-row-id'] ?? (formatVersion >= ROW_LINEAGE_FORMAT_VERSION ? 0 : undefined),
    encryptionKeys: indexed(base?.['encryption-keys'], (key) => key['key-id']),
    refs: mapOf(base?.refs),
    snapshots: indexed(base?.snapshots, (snapshot) => snapshot['snapshot-id']),
    statistics: new LazyMap(() => bySnapshot(base?.statistics ?? [])),
    partitionStatistics: new LazyMap(() => bySnapshot(base?.['partition-statistics'] ?? [])),
    snapshotLog: [...(base?.['snapshot-log'] ?? [])],
    lastAddedSchemaId: undefined,
    lastAddedSpecId: undefined,
    lastAddedOrderId: undefined,
    addedSnapshotIds: new Set(),
    setAsCurrent: new Set(),
    removedSchemaIds: new Set(),
    hasRemovedSnapshots: false,
    refsMayDangle: false,
  }
}

/** The schema that specs and orders are bound to. */
export function schemaInUse(draft: Draft, forWhat: string): Schema {
  const schema = draft.schemas.get(draft.currentSchemaId)
  if (schema === undefined) throw badRequest(`Cannot ${forWhat}: the table has no current schema yet`)
  return schema
}

/** The base's list where nothing in it changed, so that equal parts stay the same objects. */
function shared<T>(before: readonly T[] | undefined, after: readonly T[]): readonly T[] {
  return before !== undefined && before.length === after.length && after.every((item, i) => item === before[i]) ? before : after
}

const listOf = <T>(before: readonly T[] | undefined, after: LazyMap<unknown, T>): readonly T[] =>
  before !== undefined && after.isUntouched ? before : shared(before, [...after.values()])

const listOfLists = <T>(before: readonly T[] | undefined, after: LazyMap<unknown, readonly T[]>): readonly T[] =>
  before !== undefined && after.isUntouched ? before : shared(before, [...after.values()].flat())

function recordOf<T>(before: Readonly<Record<string, T>> | undefined, after: LazyMap<string, T>): Readonly<Record<string, T>> {
  if (before === undefined) return Object.fromEntries(after)
  if (after.isUntouched) return before
  if (Object.keys(before).length === after.size) {
    if ([...after].every(([key, value]) => Object.hasOwn(before, key) && before[key] === value)) return before
  }
  return Object.fromEntries(after)
}

/** The draft as metadata, with the history as the commit leaves it. Nothing is judged here. */
export function closeDraft(draft: Draft, snapshotLog: readonly SnapshotLogEntry[]): TableMetadata {
  const { base, uuid, location } = draft
  if (location === undefined) throw badRequest('Cannot create a table without a location')
  const { 'current-snapshot-id': _current, 'next-row-id': _row, 'encryption-keys': keysBefore, ...rest } = base ?? {}
  const keys = listOf(keysBefore, draft.encryptionKeys)
  return {
    ...rest,
    'format-version': draft.formatVersion,
    ...(uuid === undefined ? {} : { 'table-uuid': uuid }),
    location,
    'last-sequence-number': draft.lastSequenceNumber,
    'last-updated-ms': draft.updatedMs,
    'last-column-id': draft.lastColumnId,
    'current-schema-id': draft.currentSchemaId,
    schemas: listOf(base?.schemas, draft.schemas),
    'default-spec-id': draft.defaultSpecId,
    'partition-specs': listOf(base?.['partition-specs'], draft.specs),
    'last-partition-id': draft.lastPartitionId,
    'default-sort-order-id': draft.defaultSortOrderId,
    'sort-orders': listOf(base?.['sort-orders'], draft.orders),
    properties: recordOf(base?.properties, draft.properties),
    ...(draft.currentSnapshotId === undefined ? {} : { 'current-snapshot-id': draft.currentSnapshotId }),
    ...(draft.nextRowId === undefined ? {} : { 'next-row-id': draft.nextRowId }),
    ...(keys.length > 0 ? { 'encryption-keys': keys } : {}),
    refs: recordOf(base?.refs, draft.refs),
    snapshots: listOf(base?.snapshots, draft.snapshots),
    statistics: listOfLists(base?.statistics, draft.statistics),
    'partition-statistics': listOfLists(base?.['partition-statistics'], draft.partitionStatistics),
    'snapshot-log': shared(base?.['snapshot-log'], snapshotLog),
    'metadata-log': base?.['metadata-log'] ?? [],
  }
}
