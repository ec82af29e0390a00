/**
 * Applies the updates of one commit, in order, to table metadata: one exhaustive match, one function per action in
 * `updates/`. What only the whole commit can show (another update may still put it right) is judged at the end.
 */
import { sameJson } from './document.ts'
import { badRequest } from './errors.ts'
import { checkTableLimits, DEFAULT_TABLE_LIMITS, type TableLimits } from './table-limits.ts'
import { checkInvariants } from './table-invariants.ts'
import { checkFormatVersion, type TableMetadata } from './table-metadata.ts'
import type { CheckLocation } from './table-properties.ts'
import type { TableUpdate } from './table-update.ts'
import { closeDraft, openDraft, schemaInUse, type Draft } from './updates/draft.ts'
import { addSortOrder, addSpec, removePartitionSpecs, setDefaultSortOrder, setDefaultSpec } from './updates/layout.ts'
import { finishedSnapshotLog, removeDanglingRefs, removeSnapshotRef, setSnapshotRef } from './updates/references.ts'
import { addSchema, checkRemovedSchemas, removeSchemas, setCurrentSchema } from './updates/schemas.ts'
import {
  addEncryptionKey,
  assignUuid,
  checkEncryptionKeys,
  checkSettings,
  removeEncryptionKey,
  removeProperties,
  setLocation,
  setProperties,
  upgradeFormatVersion,
} from './updates/settings.ts'
import {
  addSnapshot,
  removePartitionStatistics,
  removeSnapshots,
  removeStatistics,
  setPartitionStatistics,
  setStatistics,
} from './updates/snapshots.ts'

export interface ApplyOptions {
  /** Milliseconds since 1970. */
  readonly now: number
  /** For a table that has none: a new one, or one of format version 1. */
  readonly newUuid?: string
  /** Throws for a place that the table must not name; `what` says which field holds it. */
  readonly checkLocation?: CheckLocation
  readonly limits?: TableLimits
}

export interface Applied {
  readonly metadata: TableMetadata
  /** False when the result equals the base: nothing needs to be written. */
  readonly changed: boolean
  /** The updates that had an effect, in order. */
  readonly changes: readonly TableUpdate[]
}

/** Answers whether the update changed the draft. */
function apply(draft: Draft, update: TableUpdate): boolean {
  switch (update.action) {
    case 'assign-uuid':
      return assignUuid(draft, update)
    case 'upgrade-format-version':
      return upgradeFormatVersion(draft, update)
    case 'add-schema':
      return addSchema(draft, update)
    case 'set-current-schema':
      return setCurrentSchema(draft, update)
    case 'add-spec':
      return addSpec(draft, update)
    case 'set-default-spec':
      return setDefaultSpec(draft, update)
    case 'add-sort-order':
      return addSortOrder(draft, update)
    case 'set-default-sort-order':
      return setDefaultSortOrder(draft, update)
    case 'add-snapshot':
      return addSnapshot(draft, update)
    case 'set-snapshot-ref':
      return setSnapshotRef(draft, update)
    case 'remove-snapshots':
      return removeSnapshots(draft, update)
    case 'remove-snapshot-ref':
      return removeSnapshotRef(draft, update)
    case 'set-location':
      return setLocation(draft, update)
    case 'set-properties':
      return setProperties(draft, update)
    case 'remove-properties':
      return removeProperties(draft, update)
    case 'set-statistics':
      return setStatistics(draft, update)
    case 'remove-statistics':
      return removeStatistics(draft, update)
    case 'set-partition-statistics':
      return setPartitionStatistics(draft, update)
    case 'remove-partition-statistics':
      return removePartitionStatistics(draft, update)
    case 'remove-partition-specs':
      return removePartitionSpecs(draft, update)
    case 'remove-schemas':
      return removeSchemas(draft, update)
    case 'add-encryption-key':
      return addEncryptionKey(draft, update)
    case 'remove-encryption-key':
      return removeEncryptionKey(draft, update)
    case 'add-view-version':
    case 'set-current-view-version':
      throw badRequest(`Cannot apply update ${update.action} to a table`)
    default:
      return unreachable(update)
  }
}

/** The compiler proves that it is never called. */
function unreachable(value: never): never {
  throw new TypeError(`Unexpected ${String(value)}`)
}

/**
 * The metadata after the updates. Without a base they create: an `upgrade-format-version` then names the version to begin
 * with, and the uuid is the assigned one.
 * @throws IcebergError 409 for numbers that another commit has overtaken, 400 for whatever can never succeed
 */
export function applyUpdates(base: TableMetadata | undefined, updates: readonly TableUpdate[], options: ApplyOptions): Applied {
  const upgrade = base === undefined ? updates.find((update) => update.action === 'upgrade-format-version') : undefined
  if (upgrade !== undefined) checkFormatVersion(upgrade['format-version'])
  const draft = openDraft(base, {
    now: options.now,
    checkLocation: options.checkLocation,
    ...(upgrade === undefined ? {} : { formatVersion: upgrade['format-version'] }),
  })
  const changes = updates.filter((update) => apply(draft, update))
  if (base !== undefined && changes.length === 0) return { metadata: base, changed: false, changes }
  const metadata = finish(draft, options.newUuid)
  checkTableLimits(metadata, base, options.limits ?? DEFAULT_TABLE_LIMITS)
  const changed = base === undefined || !sameJson({ ...metadata, 'last-updated-ms': base['last-updated-ms'] }, base)
  return changed || base === undefined ? { metadata, changed: true, changes } : { metadata: base, changed: false, changes: [] }
}

function finish(draft: Draft, newUuid: string | undefined): TableMetadata {
  draft.uuid ??= newUuid
  schemaInUse(draft, 'finish the commit')
  checkRemovedSchemas(draft)
  checkSettings(draft)
  checkEncryptionKeys(draft)
  removeDanglingRefs(draft)
  const metadata = closeDraft(draft, finishedSnapshotLog(draft))
  checkInvariants(metadata, draft.base)
  return metadata
}
