/** What a change leaves on the storage beside its metadata files: nothing where it did not come about, folders where a table is. */
import type { Location } from '../../iceberg/location.ts'
import { StorageError } from '../../storage/storage.ts'
import { StoreError } from '../../stores/store.ts'
import type { CatalogContext, CatalogHandle } from '../call.ts'
import type { Entry, EntryKind } from '../entries.ts'
import { deletable } from '../places/reachable.ts'

/** See `commit.ts`. */
interface Staged {
  readonly kind: EntryKind
  readonly row: Entry | undefined
  readonly location: Location
  readonly file: string
}

/**
 * Removes the files of a change that did not come about, and the folders that were made for them. No client was told their
 * names, but one that lists the storage may have registered such a file meanwhile: that file stays.
 */
export async function discard(context: CatalogContext, catalog: CatalogHandle, staged: readonly Staged[]): Promise<void> {
  const doomed = await Promise.all(staged.map((one) => ownFile(context, catalog, one)))
  try {
    await catalog.storage.delete(doomed.flat())
  } catch (error) {
    // An orphan does no harm.
    if (!(error instanceof StorageError)) throw error
  }
  await leave(catalog, staged)
}

async function ownFile(
  context: CatalogContext,
  { tenantId }: CatalogHandle,
  { location, file }: Staged,
): Promise<readonly string[]> {
  try {
    return (await deletable(context, { tenantId, location, files: [file], owner: { is: 'to be' } })).files
  } catch (error) {
    if (error instanceof StoreError) return []
    throw error
  }
}

/** Takes back the folders of places that were not taken in the end. */
export async function leave(catalog: CatalogHandle, staged: readonly Staged[]): Promise<void> {
  for (const { file, location, row } of staged) {
    if (row?.location !== location) await catalog.storage.removeEmptyFolders?.(file, location)
  }
}

/** Makes the folders that clients on a local disk write to. The table is there, so nothing that fails in here is an error. */
export async function prepare(
  { log }: CatalogContext,
  { storage }: CatalogHandle,
  { kind, row, location }: Staged,
): Promise<void> {
  if (kind !== 'table' || row !== undefined) return
  try {
    await storage.prepare(location)
  } catch (error) {
    log('folders-not-made', { location, error: error instanceof Error ? error.message : String(error) })
  }
}
