/**
 * Takes back what one commit did to a view. Its version stays in the history, as any that was current once: the view goes back
 * to the version of before, which is in the history too or comes into it again.
 */
import { conflict } from './errors.ts'
import { changedFields, kept, type Undone } from './undo-table.ts'
import { keptHistory, keptVersions } from './view-history.ts'
import { checkViewInvariants, currentVersion, type ViewMetadata } from './view-metadata.ts'

/**
 * `current` is the metadata that the commit made, and `before` that which it found.
 * @throws IcebergError 409 for what can't be taken back, 400 when the result would break a rule of views
 */
export function undoView(current: ViewMetadata, before: ViewMetadata, { now }: { readonly now: number }): Undone<ViewMetadata> {
  if (current['view-uuid'] !== before['view-uuid']) throw conflict('It was of another view')
  const id = before['current-version-id']
  const all = kept('view version', current.versions, before.versions, (version) => version['version-id'])
  const versions = keptVersions(all, currentVersion(before), new Set(), before.properties)
  const log = current['version-log']
  const isSame = log.at(-1)?.['version-id'] === id
  // No clock may break the order of the log.
  const at = Math.max(now, Number(log.at(-1)?.['timestamp-ms'] ?? now))
  const history = isSame ? log : [...log, { 'timestamp-ms': at, 'version-id': id }]
  const metadata: ViewMetadata = {
    ...before,
    schemas: kept('schema', current.schemas, before.schemas, (schema) => schema['schema-id'] as number),
    versions,
    'version-log': keptHistory(history, versions),
  }
  checkViewInvariants(metadata)
  const none = { removedMetadataLocations: [], restoredFiles: [], restoredManifests: [] }
  return { metadata, fields: changedFields(current, metadata), ...none }
}
