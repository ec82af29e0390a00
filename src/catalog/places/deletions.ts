/**
 * Places whose files are about to be deleted. A purge is decided by the batch that removes its table and inserts its task, and
 * that task has the place until it has ended: whatever would take a place at, in or around it is refused meanwhile.
 *
 * What takes a place looks on a ground (`locations.ts`) that it requires to be unchanged. A purge changes that ground when it
 * is begun with, and looks for entries then. So of what looked too early to see the purge, either the batch comes before that
 * change, and the purge finds an entry and gives way; or the batch fails, and what looks again finds the purge or no files.
 *
 * Single metadata files are deleted too, when they fall off the log of a table (`delete-files`). The batch that decides so
 * replaces the table's row, and until the task has ended such a file can't be registered.
 */
import { badRequest, type IcebergError } from '../../iceberg/errors.ts'
import { canonicalFile, liesWithin, overlaps, selfAndAbove, type Location } from '../../iceberg/location.ts'
import type { Row } from '../../stores/entities.ts'
import { pagesOf } from '../../stores/pages.ts'
import { NEVER } from '../background.ts'
import type { CatalogContext, CatalogHandle } from '../call.ts'
import { rowsNear, type Reach } from './near.ts'

type Deletion = Row<'tasks'>
type Context = Pick<CatalogContext, 'store'>
type Catalog = Pick<CatalogHandle, 'tenantId'>

/** A tenant that has fewer purges is asked for all of them at once. */
const FEW = 16
const PAGE = 200

const deletionsOf = (
  { store }: Context,
  { tenantId: tenant_id }: Catalog,
  where: Partial<Deletion>,
  limit: number,
  after?: Partial<Deletion>,
): Promise<Deletion[]> =>
  store.list('tasks', { index: 'by_location', where: { tenant_id, ...where }, limit, ...(after && { after }) })

const purge = { kind: 'purge-table' }

/** All purges of the tenant, where they are few. Tasks without a location, which come first, claim nothing. */
async function fewPurges(context: Context, catalog: Catalog): Promise<Deletion[] | undefined> {
  const some = await deletionsOf(context, catalog, purge, FEW, { location: '', id: '' })
  return some.length < FEW ? some : undefined
}

/** A purge at, in or around the location that has not ended, and is not `ownPurge`: it runs, waits, or was given up. */
export async function pendingDeletion(
  context: Context,
  catalog: Catalog,
  location: Location,
  reach: Reach = 'around and in',
  ownPurge?: string,
): Promise<Deletion | undefined> {
  const few = await fewPurges(context, catalog)
  const isNear = reach === 'around' ? liesWithin : overlaps
  if (few !== undefined) return few.find((task) => task.id !== ownPurge && isNear(task.location as Location, location))
  const near = await rowsNear(location, reach, (where, after) =>
    deletionsOf(context, catalog, { ...purge, ...where }, 2, after && { ...after, id: '' }),
  )
  return near.flat().find(({ id }) => id !== ownPurge)
}

function refusal(what: string, { id, due_at }: Deletion): IcebergError {
  const then =
    due_at === NEVER ? 'that was given up, and an administrator must resume or cancel it' : 'try again when that has ended'
  return badRequest(`Invalid ${what} a place whose files are being deleted (purge ${id}): ${then}`)
}

/** @throws IcebergError 400: not a 409, which clients take for "the table exists already" */
export async function assertNotBeingDeleted(
  context: Context,
  catalog: Catalog,
  location: Location,
  reach?: Reach,
  ownPurge?: string,
): Promise<void> {
  const deletion = await pendingDeletion(context, catalog, location, reach, ownPurge)
  if (deletion !== undefined) throw refusal(`location: ${location} overlaps`, deletion)
}

/** Makes sure that none of the files lies in a place that a purge works on. @throws IcebergError 400 */
export async function assertFilesKept(context: Context, catalog: Catalog, files: readonly string[]): Promise<void> {
  if (files.length === 0) return
  const few = await fewPurges(context, catalog)
  if (few?.length === 0) return
  const folders = new Set<Location>()
  for (const name of files) {
    const file = canonicalFile(name)
    if (file !== undefined) folders.add(selfAndAbove(file).at(-2) ?? file)
  }
  for (const folder of folders) {
    const around =
      few?.filter(({ location }) => liesWithin(location as Location, folder)) ??
      (await Promise.all(selfAndAbove(folder).map((location) => deletionsOf(context, catalog, { ...purge, location }, 1)))).flat()
    if (around[0] !== undefined) throw refusal(`metadata: a file that it names, in ${folder}, lies in`, around[0])
  }
}

/** Whether the file is about to be deleted since it fell off the metadata log of a table. */
async function isDoomed(context: Context, catalog: Catalog, file: Location): Promise<boolean> {
  const names = ({ due_at, payload }: Deletion): boolean =>
    due_at !== NEVER && (payload as { readonly files: readonly string[] }).files.some((name) => canonicalFile(name) === file)
  const isDoomedBelow = async (location: Location): Promise<boolean> => {
    const where = { tenant_id: catalog.tenantId, kind: 'delete-files', location }
    for await (const page of pagesOf(context.store, 'tasks', { index: 'by_location', where, pageRows: PAGE })) {
      if (page.some(names)) return true
    }
    return false
  }
  return (await Promise.all(selfAndAbove(file).map(isDoomedBelow))).includes(true)
}

/**
 * For a metadata file that is to be registered and whose place was found free.
 * @throws IcebergError 400
 */
export async function assertMetadataFileKept(context: Context, catalog: Catalog, file: Location): Promise<void> {
  if (!(await isDoomed(context, catalog, file))) return
  throw badRequest(`Invalid metadata-location: ${file} is being deleted, since it fell off the metadata log of its table`)
}
