/** Updates of a table's identity, format version, place, properties and keys. Each answers whether it changed the draft. */
import { sameJson, short } from '../document.ts'
import { checkEncryptedKey } from '../encryption-key.ts'
import { badRequest } from '../errors.ts'
import { checkFormatVersion, ROW_LINEAGE_FORMAT_VERSION, withoutTrailingSlash } from '../table-metadata.ts'
import { checkEncryptionProperties, checkProperties, ENCRYPTION_KEY_ID, isReserved } from '../table-properties.ts'
import type { UpdateOf } from '../table-update.ts'
import { canonicalUuid, isUuid } from '../uuid.ts'
import type { Draft } from './draft.ts'

export function assignUuid(draft: Draft, update: UpdateOf<'assign-uuid'>): boolean {
  if (!isUuid(update.uuid)) throw badRequest(`Invalid uuid: ${short(update.uuid)}`)
  const uuid = canonicalUuid(update.uuid)
  if (draft.uuid === uuid) return false
  if (draft.uuid !== undefined) throw badRequest(`Cannot reassign uuid: the table has ${draft.uuid}, got ${uuid}`)
  draft.uuid = uuid
  return true
}

export function upgradeFormatVersion(draft: Draft, update: UpdateOf<'upgrade-format-version'>): boolean {
  const version = update['format-version']
  checkFormatVersion(version)
  if (version < draft.formatVersion) throw badRequest(`Cannot downgrade v${draft.formatVersion} table to v${version}`)
  if (version === draft.formatVersion) return false
  draft.formatVersion = version
  if (version >= ROW_LINEAGE_FORMAT_VERSION) draft.nextRowId ??= 0
  return true
}

export function setLocation(draft: Draft, update: UpdateOf<'set-location'>): boolean {
  const location = withoutTrailingSlash(update.location)
  if (location === '') throw badRequest('Invalid location: must not be empty')
  if (location === draft.location) return false
  draft.checkLocation?.(location, 'location of the table')
  draft.location = location
  return true
}

export function setProperties(draft: Draft, update: UpdateOf<'set-properties'>): boolean {
  const entries = Object.entries(update.updates).filter(([key, value]) => draft.properties.get(key) !== value)
  for (const [key] of entries) {
    if (isReserved(key)) throw badRequest(`Cannot set reserved property ${key}: it is kept in the metadata itself`)
    if (key === ENCRYPTION_KEY_ID) checkEncryptionKeyUnset(draft)
  }
  checkProperties(Object.fromEntries(entries), draft.checkLocation)
  for (const [key, value] of entries) draft.properties.set(key, value)
  return entries.length > 0
}

export function removeProperties(draft: Draft, update: UpdateOf<'remove-properties'>): boolean {
  let changed = false
  for (const key of update.removals) {
    if (!draft.properties.has(key)) continue
    if (key === ENCRYPTION_KEY_ID) checkEncryptionKeyUnset(draft)
    draft.properties.delete(key)
    changed = true
  }
  return changed
}

function checkEncryptionKeyUnset(draft: Draft): void {
  const key = draft.properties.get(ENCRYPTION_KEY_ID)
  if (key !== undefined) throw badRequest(`Cannot change property ${ENCRYPTION_KEY_ID} once it is set (${short(key)})`)
}

/** Judged at the end of a commit: the same commit may raise the format version after setting the properties. */
export function checkSettings(draft: Draft): void {
  const before = draft.base?.properties ?? {}
  const added = [...draft.properties].filter(([key]) => !Object.hasOwn(before, key))
  checkEncryptionProperties(Object.fromEntries(added), draft.formatVersion)
}

/** The key of an id never changes: what one has encrypted stays readable. */
export function addEncryptionKey(draft: Draft, update: UpdateOf<'add-encryption-key'>): boolean {
  const key = update['encryption-key']
  checkEncryptedKey(key)
  const known = draft.encryptionKeys.get(key['key-id'])
  if (known === undefined) draft.encryptionKeys.set(key['key-id'], key)
  else if (!sameJson(known, key)) throw badRequest(`Cannot add encryption key ${short(key['key-id'])}: another key has that id`)
  return known === undefined
}

export function removeEncryptionKey(draft: Draft, update: UpdateOf<'remove-encryption-key'>): boolean {
  return draft.encryptionKeys.delete(update['key-id'])
}

/** Judged at the end of a commit: the same commit may remove the snapshots and keys that need a key. */
export function checkEncryptionKeys(draft: Draft): void {
  const removed = (draft.base?.['encryption-keys'] ?? [])
    .map((key) => key['key-id'])
    .filter((id) => !draft.encryptionKeys.has(id))
  if (removed.length === 0) return
  const missing = new Set(removed)
  for (const snapshot of draft.snapshots.values()) {
    const id = snapshot['key-id']
    if (id !== undefined && missing.has(id)) {
      throw badRequest(`Cannot remove encryption key ${short(id)}: snapshot ${snapshot['snapshot-id']} needs it`)
    }
  }
  for (const key of draft.encryptionKeys.values()) {
    const id = key['encrypted-by-id']
    if (id !== undefined && missing.has(id)) {
      throw badRequest(`Cannot remove encryption key ${short(id)}: key ${short(key['key-id'])} is encrypted by it`)
    }
  }
}
