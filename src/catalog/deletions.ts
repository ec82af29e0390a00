/**
 * Places whose files are about to be deleted. A purge is decided by the batch that removes its table and inserts its task, and
 * that task has the place until it has ended: whatever would take a place at, in or around it is refused meanwhile.
 *
 * Look after looking for entries, never before: then a place without an entry either has the task of its purge still, or the
 * purge has ended and its files are gone.
 */
import { badRequest } from '../iceberg/errors.ts'
import { overlaps, type Location } from '../iceberg/location.ts'
import type { Row } from '../stores/entities.ts'
import { NEVER } from './background.ts'
import type { CatalogContext, CatalogHandle } from './call.ts'
import { rowsNear } from './near.ts'

type Deletion = Row<'tasks'>

/** A tenant that has fewer of them is asked for all of them at once. */
const FEW = 16

/** A purge at, in or around the location that has not ended: it runs, waits, or was given up. */
export async function pendingDeletion(
  { store }: Pick<CatalogContext, 'store'>,
  { tenantId: tenant_id }: Pick<CatalogHandle, 'tenantId'>,
  location: Location,
): Promise<Deletion | undefined> {
  const page = (where: Partial<Deletion>, after: string | undefined, limit: number): Promise<Deletion[]> =>
    store.list('tasks', {
      index: 'by_location',
      where: { tenant_id, kind: 'purge-table', ...where },
      limit,
      ...(after !== undefined && { after: { location: after, id: '' } }),
    })
  // Tasks without a location, which come first, claim nothing.
  const some = await page({}, '', FEW)
  const known = some.find((task) => overlaps(task.location as Location, location))
  if (known !== undefined || some.length < FEW) return known
  const near = await rowsNear(location, (where, after) => page(where, after?.location, 1))
  return near.flat()[0]
}

/** @throws IcebergError 400: not a 409, which clients take for "the table exists already" */
export async function assertNotBeingDeleted(
  context: Pick<CatalogContext, 'store'>,
  catalog: Pick<CatalogHandle, 'tenantId'>,
  location: Location,
  what = 'location',
): Promise<void> {
  const deletion = await pendingDeletion(context, catalog, location)
  if (deletion === undefined) return
  const then =
    deletion.due_at === NEVER
      ? 'that was given up, and an administrator must resume or cancel it'
      : 'try again when that has ended'
  throw badRequest(`Invalid ${what}: ${location} overlaps a place whose files are being deleted (purge ${deletion.id}): ${then}`)
}
