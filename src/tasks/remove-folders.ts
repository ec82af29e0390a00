/** Removes the empty folders of a place that was made ready for a staged table, and where no table or view is. */
import { deletable } from '../catalog/places/reachable.ts'
import { locationOf, textOf, type PurgeOptions } from './purge.ts'
import type { TaskHandler } from './runner.ts'

/** The task kind `remove-folders`: payload `warehouse_name`, `location`. */
export function removeFolders(options: PurgeOptions): TaskHandler {
  return async ({ tenant_id: tenantId, payload }) => {
    const location = locationOf(payload)
    const { files } = await deletable(options, { tenantId, location, files: [`${location}/`], owner: { is: 'gone' } })
    if (files.length === 0) return
    const opened = await options.openStorageFor(tenantId, textOf(payload, 'warehouse_name'))
    await opened?.storage.delete(files)
  }
}
