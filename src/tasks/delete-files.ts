/**
 * Deletes metadata files that fell off the end of a table's metadata log (`write.metadata.delete-after-commit.enabled`). Best
 * effort: whatever is in doubt stays, as an undeleted file costs bytes and a deleted one may cost a table.
 */
import { canonicalFile, isBelow, type Location } from '../iceberg/location.ts'
import { StorageError, type ObjectStore } from '../storage/storage.ts'
import { locationOf, textOf, type PurgeOptions } from './purge.ts'
import { readNamedFiles } from './reachable-files.ts'
import { TaskRefused, type TaskHandler } from './runner.ts'

const METADATA_FILE = /\.metadata\.json(\.gz)?$/

function filesOf(payload: unknown): string[] {
  const { files } = payload as { files?: unknown }
  if (!Array.isArray(files)) throw new TaskRefused('the payload has no files')
  return files.filter((file) => typeof file === 'string')
}

/** The current metadata file and its log: a file may be back in use, after a registration that went back in time. */
async function filesInUse(
  storage: ObjectStore,
  pointer: string,
  location: Location,
): Promise<Set<string | undefined> | undefined> {
  const current = canonicalFile(pointer)
  const named = current && (await readNamedFiles(storage, current, location))
  return named && new Set([current, ...named.previousMetadata.map((file) => canonicalFile(file))])
}

/** The task kind `delete-files`: payload `warehouse_name`, `entry_id`, `location` (of the table), `files`. */
export function deleteFiles({ store, openStorageFor, log }: PurgeOptions): TaskHandler {
  return async ({ id, tenant_id, payload }) => {
    const location = locationOf(payload)
    const entryId = textOf(payload, 'entry_id')
    // Entries that share the location (a branch, a second registration) may have the files in their own history.
    const rows = await store.list('entries', { index: 'by_location', where: { tenant_id, location }, limit: 2 })
    const [row] = rows
    if (row === undefined || rows.length > 1 || row.deleted || row.id !== entryId)
      return log('files-kept', { task: id, location })
    const opened = await openStorageFor(tenant_id, textOf(payload, 'warehouse_name'))
    if (opened === undefined) return
    const kept = await filesInUse(opened.storage, row.metadata_location, location)
    if (kept === undefined) return log('files-kept', { task: id, location })
    const doomed = filesOf(payload)
      .map((file) => canonicalFile(file))
      .filter((file) => file !== undefined && !kept.has(file) && isBelow(location, file) && METADATA_FILE.test(file))
    try {
      await opened.storage.delete(doomed as string[])
    } catch (error) {
      if (error instanceof StorageError && error.kind !== 'unavailable') throw new TaskRefused(error.message, error)
      throw error
    }
  }
}
