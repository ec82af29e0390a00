/** Removes the empty folders of a place that was made ready for a staged table, and where no table or view is. */
import { findOwner } from './ownership.ts'
import { locationOf, textOf, type PurgeOptions } from './purge.ts'
import type { TaskHandler } from './runner.ts'

/** The task kind `remove-folders`: payload `warehouse_name`, `location`. */
export function removeFolders({ store, openStorageFor }: PurgeOptions): TaskHandler {
  return async ({ tenant_id, payload }) => {
    const location = locationOf(payload)
    if ((await findOwner(store, tenant_id, location)) !== undefined) return
    const opened = await openStorageFor(tenant_id, textOf(payload, 'warehouse_name'))
    await opened?.storage.delete([`${location}/`])
  }
}
