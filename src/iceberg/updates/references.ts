/** Updates of a table's branches and tags, and the history of `main` that follows from them. */
import { sameJson, short } from '../document.ts'
import { badRequest, validationFailed } from '../errors.ts'
import type { Long } from '../long.ts'
import { checkReference, MAIN_BRANCH, readReference, type SnapshotLogEntry } from '../snapshot.ts'
import type { UpdateOf } from '../table-update.ts'
import type { Draft } from './draft.ts'

/** A metadata file with more could not be registered elsewhere. */
const MAX_REFS = 100_000

export function setSnapshotRef(draft: Draft, update: UpdateOf<'set-snapshot-ref'>): boolean {
  const { action: _action, 'ref-name': name, ...sent } = update
  const ref = readReference(sent, `reference ${short(name)}`)
  checkReference(name, ref)
  removeDanglingRefs(draft)
  if (sameJson(draft.refs.get(name), ref)) return false
  const id = ref['snapshot-id']
  const snapshot = draft.snapshots.get(id)
  if (snapshot === undefined) throw validationFailed(`Cannot set ${short(name)} to unknown snapshot: ${id}`)
  if (draft.refs.size >= MAX_REFS && !draft.refs.has(name))
    throw badRequest(`Cannot add ${short(name)}: the table has ${MAX_REFS} references`)
  draft.refs.set(name, ref)
  if (name !== MAIN_BRANCH) return true
  draft.currentSnapshotId = id
  const added = draft.addedSnapshotIds.has(id)
  if (added) draft.setAsCurrent.add(id)
  // Going back to an older snapshot happens now; a new one became current when it was made.
  draft.snapshotLog.push({ 'timestamp-ms': added ? snapshot['timestamp-ms'] : draft.updatedMs, 'snapshot-id': id })
  return true
}

export function removeSnapshotRef(draft: Draft, update: UpdateOf<'remove-snapshot-ref'>): boolean {
  removeDanglingRefs(draft)
  return removeRef(draft, update['ref-name'])
}

function removeRef(draft: Draft, name: string): boolean {
  const removed = draft.refs.delete(name)
  if (name !== MAIN_BRANCH) return removed
  const wasCurrent = draft.currentSnapshotId !== undefined
  draft.currentSnapshotId = undefined
  return removed || wasCurrent
}

/**
 * Removes the references to removed snapshots: before references are looked at, or brings a snapshot's id back, and not
 * after each removal. Clients remove thousands of snapshots one by one.
 */
export function removeDanglingRefs(draft: Draft): void {
  if (!draft.refsMayDangle) return
  draft.refsMayDangle = false
  for (const [name, ref] of draft.refs) {
    if (!draft.snapshots.has(ref['snapshot-id'])) removeRef(draft, name)
  }
  const current = draft.currentSnapshotId
  if (current !== undefined && !draft.snapshots.has(current)) draft.currentSnapshotId = undefined
}

/**
 * The history as the finished commit leaves it. Snapshots that the commit itself replaced were never current for a reader.
 * Entries before a removed snapshot go with it: a gap would make an earlier snapshot seem to have been current longer.
 */
export function finishedSnapshotLog(draft: Draft): readonly SnapshotLogEntry[] {
  const current = draft.currentSnapshotId
  const intermediate = new Set<Long>([...draft.setAsCurrent].filter((id) => id !== current))
  if (intermediate.size === 0 && !draft.hasRemovedSnapshots) return draft.snapshotLog
  let log: SnapshotLogEntry[] = []
  for (const entry of draft.snapshotLog) {
    const id = entry['snapshot-id']
    if (!draft.snapshots.has(id)) {
      if (draft.hasRemovedSnapshots) log = []
    } else if (!intermediate.has(id)) {
      log.push(entry)
    }
  }
  const last = log.at(-1)
  if (current !== undefined && last !== undefined && last['snapshot-id'] !== current) {
    throw validationFailed('Cannot set invalid snapshot log: latest entry is not the current snapshot')
  }
  return log
}
