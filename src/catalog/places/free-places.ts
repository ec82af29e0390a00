/**
 * Places at which a table may be created or moved to, for clients that write there before they commit: files of a staged
 * creation, and of a replacement that takes the table elsewhere. The server keeps nothing of either until the commit. A caller
 * that may create the table may create it at each free place that it may choose, so it may write to these.
 */
import { IcebergError } from '../../iceberg/errors.ts'
import { liesWithin, selfAndAbove, type Location } from '../../iceberg/location.ts'
import type { Touched } from '../../storage/vending/vending.ts'
import { placeCheck } from './areas.ts'
import { boundsNow, mayTouch } from '../authorize.ts'
import type { CatalogCall, CatalogContext, TableIdentifier } from '../call.ts'
import { assertLocationFree } from './locations.ts'
import { holdsNamespace, homeOf, namespaceAt } from './namespace-locations.ts'
import type { Soon } from '../soon.ts'

export const mayCreate = (context: CatalogContext, call: CatalogCall, identifier: TableIdentifier): Soon<boolean> =>
  call.catalog.at === undefined && mayTouch(context, call, 'table.create', identifier)

/** The folder that a table would have to lie at or around for this to be of it. */
const folderOf = ({ location, isFolder }: Touched): Location =>
  isFolder ? location : (selfAndAbove(location).at(-2) ?? location)

/** That no table has. */
const ANY_NAME = ''

/**
 * The same for clients that do not say for which table: whether the principal may create one there, in the catalog as a whole
 * or in what its token is narrowed to.
 */
export async function areFreeForAny(context: CatalogContext, call: CatalogCall, touches: readonly Touched[]): Promise<boolean> {
  const within = (await boundsNow(context, call))?.filter((bound) => bound.table === undefined)
  for (const { namespace = [] } of within ?? [{ namespace: [] }]) {
    const identifier = { namespace, name: ANY_NAME }
    try {
      if ((await mayCreate(context, call, identifier)) && (await areFree(context, call, identifier, touches))) return true
    } catch (error) {
      // Outside of what the token allows, or no such namespace.
      if (!(error instanceof IcebergError) || (error.code !== 403 && error.code !== 404)) throw error
    }
  }
  return false
}

/**
 * Whether all that is touched may be of the table when it comes to be committed there.
 * @throws IcebergError 403 for places that are not the principal's to choose
 */
export async function areFree(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  touches: readonly Touched[],
): Promise<boolean> {
  const { catalog } = call
  const { check, settled } = placeCheck(context, call, { identifier, locations: [] })
  const folders = new Set(touches.map(folderOf))
  try {
    for (const folder of folders) check(folder, 'location')
    await settled()
    const { namespace } = identifier
    const home = namespace.length === 0 ? catalog.root : (await homeOf(context, catalog, namespace)).location
    for (const folder of folders) {
      // Where namespaces lie, tables of theirs are to lie: that is no table's own place.
      if (liesWithin(folder, home)) return false
      if ((await holdsNamespace(context, catalog, folder)) || (await namespaceAt(context, catalog, folder))) return false
      await assertLocationFree(context, catalog, folder)
    }
    return true
  } catch (error) {
    if (error instanceof IcebergError && error.code === 400) return false
    throw error
  }
}
