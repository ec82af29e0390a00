/**
 * Deletes metadata files that fell off the end of a table's metadata log (`write.metadata.delete-after-commit.enabled`). Best
 * effort: whatever is in doubt stays, as an undeleted file costs bytes and a deleted one may cost a table.
 */
import { deletable } from '../catalog/places/reachable.ts'
import type { Location } from '../iceberg/location.ts'
import { StorageError, type ObjectStore } from '../storage/storage.ts'
import { locationOf, textOf, type PurgeOptions } from './purge.ts'
import { readNamedFiles } from './reachable-files.ts'
import { TaskRefused, type TaskHandler } from './runner.ts'

const METADATA_FILE = /\.metadata\.json(\.gz)?$/

function filesOf(payload: unknown): string[] {
  const { files } = payload as { files?: unknown }
  if (!Array.isArray(files)) throw new TaskRefused('the payload has no files')
  return files.filter((file) => typeof file === 'string' && METADATA_FILE.test(file))
}

/** The log of a metadata file: a file may be back in use, after a registration that went back in time. */
async function logOf(storage: ObjectStore, metadataFile: string, location: Location): Promise<readonly string[] | undefined> {
  try {
    return (await readNamedFiles(storage, metadataFile as Location, location))?.previousMetadata
  } catch (error) {
    // It can't be read, or is that of another table.
    if (error instanceof TaskRefused) return undefined
    throw error
  }
}

/** The task kind `delete-files`: payload `warehouse_name`, `entry_id`, `location` (of the table), `files`. */
export function deleteFiles(options: PurgeOptions): TaskHandler {
  return async ({ id: task, tenant_id: tenantId, payload }) => {
    const location = locationOf(payload)
    const [id, asked] = [textOf(payload, 'entry_id'), filesOf(payload)]
    const opened = await options.openStorageFor(tenantId, textOf(payload, 'warehouse_name'))
    if (opened === undefined) return
    const { storage } = opened
    const named = (metadataFile: string) => logOf(storage, metadataFile, location)
    const { files } = await deletable(options, { tenantId, location, files: asked, owner: { is: 'there', id, named } })
    if (files.length < asked.length) options.log('files-kept', { task, location, kept: asked.length - files.length })
    try {
      if (files.length > 0) await storage.delete(files)
    } catch (error) {
      if (error instanceof StorageError && error.kind !== 'unavailable') throw new TaskRefused(error.message, error)
      throw error
    }
  }
}
