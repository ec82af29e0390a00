/** Copies one store into another, whatever their engines: the way from the embedded database to a cluster, and back. */
import type { Store } from '../stores/store.ts'
import { fill, OperationError, unfinishedFilling } from './fill.ts'
import type { FillReport } from './fill.ts'
import { allRows } from './rows.ts'
import type { Progress } from './rows.ts'

export interface CopyOptions {
  readonly from: Store
  readonly to: Store
  /** Names the source; the same for each run of one copy, and without secrets. */
  readonly identity: string
  readonly now: () => number
  readonly progress?: Progress
}

/** @throws OperationError */
export async function copyStore({ from, to, identity, now, progress }: CopyOptions): Promise<FillReport> {
  await assertFinished(from)
  return fill({ source: { identity, rows: () => allRows(from) }, target: to, now, ...(progress && { progress }) })
}

/** @throws OperationError when the store is itself a copy that was cut off */
export async function assertFinished(store: Store): Promise<void> {
  const source = await unfinishedFilling(store)
  if (source !== undefined) {
    throw new OperationError(`This store is an unfinished copy of ${source}. Run the command that made it once more.`)
  }
}
