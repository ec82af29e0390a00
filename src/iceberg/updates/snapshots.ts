/** Updates of a table's snapshots, and of what hangs on one. Each function answers whether it changed the draft. */
import { sameJson } from '../document.ts'
import { badRequest, commitFailed, validationFailed } from '../errors.ts'
import { addLong, maxLong } from '../long.ts'
import { normalSnapshot, sequenceNumber, type Snapshot } from '../snapshot.ts'
import { ROW_LINEAGE_FORMAT_VERSION } from '../table-metadata.ts'
import type { UpdateOf } from '../table-update.ts'
import type { Draft } from './draft.ts'
import { removeDanglingRefs } from './references.ts'

export function addSnapshot(draft: Draft, update: UpdateOf<'add-snapshot'>): boolean {
  const snapshot = normalSnapshot(update.snapshot)
  removeDanglingRefs(draft)
  checkPlace(draft, snapshot)
  checkSequence(draft, snapshot)
  const nextRowId = draft.formatVersion >= ROW_LINEAGE_FORMAT_VERSION ? nextRowIdAfter(draft, snapshot) : draft.nextRowId
  checkContent(draft, snapshot)
  draft.snapshots.set(snapshot['snapshot-id'], snapshot)
  draft.addedSnapshotIds.add(snapshot['snapshot-id'])
  // A snapshot without a parent may come with any sequence number; the table's never goes back.
  draft.lastSequenceNumber = maxLong(draft.lastSequenceNumber, sequenceNumber(snapshot))
  draft.nextRowId = nextRowId
  return true
}

function checkPlace(draft: Draft, snapshot: Snapshot): void {
  if (draft.schemas.size === 0) throw validationFailed('Attempting to add a snapshot before a schema is added')
  if (draft.specs.size === 0) throw validationFailed('Attempting to add a snapshot before a partition spec is added')
  if (draft.orders.size === 0) throw validationFailed('Attempting to add a snapshot before a sort order is added')
  const id = snapshot['snapshot-id']
  if (id < 0) throw badRequest(`Invalid snapshot id ${id}: must not be negative`)
  if (draft.snapshots.has(id)) throw validationFailed(`Snapshot already exists for id: ${id}`)
}

/** Stale numbers mean that another client committed first: the client can take them anew and retry. */
function checkSequence(draft: Draft, snapshot: Snapshot): void {
  const number = sequenceNumber(snapshot)
  if (draft.formatVersion === 1) {
    if (number !== 0) throw badRequest(`Invalid snapshot ${snapshot['snapshot-id']}: sequence number must be 0 in v1: ${number}`)
    return
  }
  if (number <= draft.lastSequenceNumber && snapshot['parent-snapshot-id'] !== undefined) {
    throw commitFailed(
      `Validation failed, please retry: Cannot add snapshot with sequence number ${number} older than last sequence number ${draft.lastSequenceNumber}`,
    )
  }
}

function nextRowIdAfter(draft: Draft, snapshot: Snapshot): Draft['nextRowId'] {
  const first = snapshot['first-row-id']
  const added = snapshot['added-rows']
  const next = draft.nextRowId ?? 0
  if (first === undefined) throw validationFailed('Cannot add a snapshot: first-row-id is null')
  if (added === undefined) throw validationFailed('Cannot add a snapshot: added-rows is null')
  if (first < next) {
    throw commitFailed(
      `Validation failed, please retry: Cannot add a snapshot, first-row-id is behind table next-row-id: ${first} < ${next}`,
    )
  }
  // From the first row id, not from the table's: a gap between them must not be given out a second time.
  return maxLong(next, addLong(first, added))
}

function checkContent(draft: Draft, snapshot: Snapshot): void {
  const what = `snapshot ${snapshot['snapshot-id']}`
  if (snapshot['first-row-id'] !== undefined && snapshot['added-rows'] === undefined) {
    throw validationFailed(`Invalid ${what}: added-rows is required with first-row-id`)
  }
  const schemaId = snapshot['schema-id']
  if (schemaId !== undefined && !draft.schemas.has(schemaId))
    throw validationFailed(`Invalid ${what}: unknown schema-id ${schemaId}`)
  const keyId = snapshot['key-id']
  if (keyId !== undefined && !draft.encryptionKeys.has(keyId)) throw validationFailed(`Invalid ${what}: unknown key-id ${keyId}`)
  const manifestList = snapshot['manifest-list']
  if (draft.formatVersion > 1) {
    if (snapshot.manifests !== undefined)
      throw validationFailed(`Invalid ${what}: manifests are not allowed in v${draft.formatVersion}`)
    if (snapshot.summary === undefined) throw validationFailed(`Invalid ${what}: summary is required`)
    if (manifestList === undefined) throw validationFailed(`Invalid ${what}: manifest-list is required`)
  } else if (manifestList === undefined && snapshot.manifests === undefined) {
    throw validationFailed(`Invalid ${what}: manifest-list or manifests is required`)
  }
  if (snapshot.summary !== undefined && !Object.hasOwn(snapshot.summary, 'operation')) {
    throw validationFailed(`Invalid ${what}: summary has no operation`)
  }
  if (manifestList !== undefined) draft.checkLocation?.(manifestList, `manifest-list of ${what}`)
  for (const manifest of snapshot.manifests ?? []) draft.checkLocation?.(manifest, `manifest of ${what}`)
}

/** Also drops what belongs to the snapshots: their statistics and the references to them. */
export function removeSnapshots(draft: Draft, update: UpdateOf<'remove-snapshots'>): boolean {
  let changed = false
  for (const id of update['snapshot-ids']) {
    if (!draft.snapshots.delete(id)) continue
    changed = true
    draft.statistics.delete(id)
    draft.partitionStatistics.delete(id)
  }
  if (!changed) return false
  draft.hasRemovedSnapshots = true
  draft.refsMayDangle = true
  return true
}

/** The file may lie anywhere: its name gives no access to it, and only files of the table itself are deleted. */
export function setStatistics(draft: Draft, update: UpdateOf<'set-statistics'>): boolean {
  const { statistics } = update
  const id = statistics['snapshot-id']
  const sent = update['snapshot-id']
  if (sent !== undefined && sent !== id) {
    throw badRequest(`Invalid set-statistics: snapshot-id ${sent} differs from that of the statistics, ${id}`)
  }
  if (!draft.snapshots.has(id)) throw validationFailed(`Cannot set statistics of unknown snapshot: ${id}`)
  if (sameJson(draft.statistics.get(id), [statistics])) return false
  draft.statistics.set(id, [statistics])
  return true
}

export function removeStatistics(draft: Draft, update: UpdateOf<'remove-statistics'>): boolean {
  return draft.statistics.delete(update['snapshot-id'])
}

export function setPartitionStatistics(draft: Draft, update: UpdateOf<'set-partition-statistics'>): boolean {
  const statistics = update['partition-statistics']
  const id = statistics['snapshot-id']
  if (!draft.snapshots.has(id)) throw validationFailed(`Cannot set partition statistics of unknown snapshot: ${id}`)
  if (sameJson(draft.partitionStatistics.get(id), [statistics])) return false
  draft.partitionStatistics.set(id, [statistics])
  return true
}

export function removePartitionStatistics(draft: Draft, update: UpdateOf<'remove-partition-statistics'>): boolean {
  return draft.partitionStatistics.delete(update['snapshot-id'])
}
