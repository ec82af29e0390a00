/** Removes what was in a dropped catalog when that can't come back any more. */
import { removeCatalog as remove } from '../catalog/catalog-removal.ts'
import { createChangeContext } from '../changes/context.ts'
import type { PurgeOptions } from './purge.ts'
import type { TaskHandler } from './runner.ts'

/** The task kind `remove-catalog`. */
export function removeCatalog({
  store,
  log,
  now,
}: Pick<PurgeOptions, 'store' | 'log'> & { readonly now: () => number }): TaskHandler {
  const context = createChangeContext({ store, log, now })
  return (task, { signal }) => remove(context, task, signal)
}
