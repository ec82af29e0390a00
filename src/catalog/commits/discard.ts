/** What a change leaves on the storage beside its metadata files: nothing where it did not come about, folders where a table is. */
import type { Location } from '../../iceberg/location.ts'
import { StoreError } from '../../stores/store.ts'
import type { CatalogContext, CatalogHandle } from '../call.ts'
import { discardFiles } from '../documents/metadata-files.ts'
import type { Entry, EntryKind } from '../entries.ts'

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
  const doomed = await Promise.all(
    staged.map(async ({ file, location }) => ((await isNamed(context, catalog, location, file)) ? [] : [file])),
  )
  await discardFiles(catalog, doomed.flat())
  await leave(catalog, staged)
}

/** Whether an entry points to the file, as far as is known. */
async function isNamed(
  { store }: CatalogContext,
  { tenantId: tenant_id }: CatalogHandle,
  location: Location,
  file: string,
): Promise<boolean> {
  try {
    const rows = await store.list('entries', { index: 'by_location', where: { tenant_id, location }, limit: 10 })
    return rows.some((row) => row.metadata_location === file)
  } catch (error) {
    if (error instanceof StoreError) return true
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
