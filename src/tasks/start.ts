/** Everything that runs in the background, put together. */
import { randomUUID } from 'node:crypto'
import { deleteFiles } from './delete-files.ts'
import { startExpiry, type ExpiryOptions } from './expire.ts'
import { locationOf, purgeTable, type PurgeOptions } from './purge.ts'
import { removeCatalog } from './remove-catalog.ts'
import { removeFolders } from './remove-folders.ts'
import { startRunner, type RunnerOptions } from './runner.ts'

export type TasksOptions = PurgeOptions &
  Pick<RunnerOptions, 'now'> &
  Partial<Omit<RunnerOptions, 'handlers'>> &
  Partial<Pick<ExpiryOptions, 'intervalMs' | 'keepMetricsMs' | 'historyKeptMs'>>

export interface Tasks {
  /** A task was stored: look now. */
  stored(): void
  /** See `Runner`. */
  ended(id: string, ms: number): Promise<void>
  /** Ends what runs, at a point from which it can go on, and resolves when nothing runs any more. */
  stop(): Promise<void>
}

export function startTasks(options: TasksOptions): Tasks {
  const runner = startRunner({
    owner: randomUUID(),
    ...options,
    claims: { 'purge-table': locationOf },
    handlers: {
      'purge-table': purgeTable(options),
      'delete-files': deleteFiles(options),
      'remove-folders': removeFolders(options),
      'remove-catalog': removeCatalog(options),
    },
  })
  const expiry = startExpiry(options)
  return {
    stored: () => runner.stored(),
    ended: (id, ms) => runner.ended(id, ms),
    stop: async () => {
      await Promise.all([runner.stop(), expiry.stop()])
    },
  }
}
