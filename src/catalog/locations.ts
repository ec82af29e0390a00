/**
 * Where the tables and views of a catalog may lie: below its root or another root of its warehouse, and never in, around
 * or at the place of another entry. Every location that metadata names comes through here before it is stored.
 */
import { badRequest } from '../iceberg/errors.ts'
import { canonicalFile, canonicalLocation, isBelow, joinLocation } from '../iceberg/location.ts'
import type { Location } from '../iceberg/location.ts'
import type { CatalogContext, CatalogHandle, TableIdentifier } from './call.ts'

/** Object stores allow keys of 1024 bytes, and files go below a table. */
const MAX_DEFAULT_LENGTH = 700

const isAllowed = (catalog: CatalogHandle, location: Location): boolean =>
  isBelow(catalog.root, location) || catalog.allowedRoots.some((root) => isBelow(root, location))

function refuse(what: string, location: string): never {
  const shown = location.slice(0, 300).toWellFormed()
  throw badRequest(`Invalid ${what}: expected a place below one of the warehouse's allowed locations, got ${shown}`)
}

/** For the places that metadata names: `what` says which field. */
export function locationCheck(catalog: CatalogHandle): (location: string, what: string) => void {
  return (location, what) => {
    const canonical = canonicalFile(location.endsWith('/') ? location.slice(0, -1) : location)
    if (canonical === undefined || !isAllowed(catalog, canonical)) refuse(what, location)
  }
}

/** The canonical location of a table or view. @throws IcebergError 400 */
export function checkedLocation(catalog: CatalogHandle, location: string): Location {
  const canonical = canonicalLocation(location)
  if (!isAllowed(catalog, canonical)) refuse('location', location)
  return canonical
}

/** Readable, and new each time: a table that is created again never finds the files of the one before. */
export function defaultLocation(catalog: CatalogHandle, identifier: TableIdentifier, uuid: string): Location {
  const readable = [...identifier.namespace, `${identifier.name}-${uuid.slice(0, 8)}`]
  const length = catalog.root.length + readable.reduce((total, segment) => total + 3 * Buffer.byteLength(segment), 0)
  return length <= MAX_DEFAULT_LENGTH ? joinLocation(catalog.root, ...readable) : joinLocation(catalog.root, uuid)
}

/** What the rows hold: with a slash at its end, a location sorts right before everything below it. */
export const storedLocation = (location: Location): string => `${location}/`

/** Creations at places that clients chose wait for each other, so that of two that overlap one sees the other. */
export const locationLane = (catalog: CatalogHandle): string => `location\n${catalog.tenantId}`

/**
 * Makes sure that no entry of the tenant lies at, in or around the location; `ownId` is the entry that may.
 * Entries never overlap, so only two can: the first at or behind the location, and the last before it.
 * @throws IcebergError 400: not a 409, which clients take for "the table exists already"
 */
export async function assertLocationFree(
  context: CatalogContext,
  catalog: CatalogHandle,
  location: Location,
  ownId?: string,
): Promise<void> {
  const wanted = storedLocation(location)
  const where = { tenant_id: catalog.tenantId }
  const after = { ...where, location: wanted, catalog_id: '', branch: '', namespace: '', name: '' }
  const neighbours = { index: 'by_location', where, after, limit: 2 } as const
  const [behind, before] = await Promise.all([
    context.store.list('entries', neighbours),
    context.store.list('entries', { ...neighbours, descending: true }),
  ])
  const others = [...behind, ...before].filter((entry) => entry.id !== ownId)
  if (others.some((entry) => entry.location.startsWith(wanted) || wanted.startsWith(entry.location))) {
    throw badRequest(`Invalid location: ${location} overlaps the location of another table or view`)
  }
}
