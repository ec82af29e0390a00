/**
 * Where the tables and views of a catalog may lie: below its root or another root of its warehouse, and never in, around
 * or at the place of another entry. Every location that metadata names comes through here before it is stored.
 */
import { isAllowed as isReadable } from '../../access/decide.ts'
import type { Principal } from '../../access/principal.ts'
import { badRequest, displayIdentifier, type IcebergError } from '../../iceberg/errors.ts'
import { LEVEL_SEPARATOR } from '../../iceberg/identifier.ts'
import { canonicalFile, canonicalLocation, isBelow } from '../../iceberg/location.ts'
import type { Location } from '../../iceberg/location.ts'
import type { TableCommit } from '../../iceberg/table-commit.ts'
import { parseTableUpdates } from '../../iceberg/table-update.ts'
import type { Row } from '../../stores/entities.ts'
import type { Mutation } from '../../stores/store.ts'
import type { CatalogContext, CatalogHandle } from '../call.ts'
import { assertNotBeingDeleted } from './deletions.ts'
import { rowsNear, type Reach } from './near.ts'

const isAllowed = (catalog: CatalogHandle, location: Location): boolean =>
  isBelow(catalog.root, location) || catalog.allowedRoots.some((root) => isBelow(root, location))

/** The allowed places, for messages: the catalog's own first. */
const allowedPlaces = ({ root, allowedRoots }: CatalogHandle): string =>
  [...new Set([root, ...allowedRoots.filter((other) => !isBelow(other, root) || other === root)])].join(' or ')

export function refuse(catalog: CatalogHandle, what: string, location: string): never {
  const shown = location.slice(0, 300).toWellFormed()
  throw badRequest(
    `Invalid ${what}: expected a place below ${allowedPlaces(catalog)}, one of the warehouse's allowed locations, got ${shown}`,
  )
}

export type LocationCheck = (location: string, what: string) => void

export const canonicalPlace = (location: string): Location | undefined =>
  canonicalFile(location.endsWith('/') ? location.slice(0, -1) : location)

/** For the places that metadata names: `what` says which field. */
export function locationCheck(catalog: CatalogHandle): LocationCheck {
  return (location, what) => {
    const canonical = canonicalPlace(location)
    if (canonical === undefined || !isAllowed(catalog, canonical)) refuse(catalog, what, location)
  }
}

/** Properties that tell clients where to write. */
export const PLACES = ['write.data.path', 'write.metadata.path', 'write.object-storage.path', 'write.folder-storage.path']

/** Those that there are, with what they name. */
export const namedPlaces = (properties: Readonly<Record<string, string>>): (readonly [property: string, place: string])[] =>
  PLACES.flatMap((key) => (Object.hasOwn(properties, key) ? [[key, properties[key] as string] as const] : []))

/** The canonical location of a table or view. @throws IcebergError 400 */
export function checkedLocation(catalog: CatalogHandle, location: string): Location {
  const canonical = canonicalLocation(location)
  if (!isAllowed(catalog, canonical)) refuse(catalog, 'location', location)
  return canonical
}

export function withLocation(commit: TableCommit, location: Location): TableCommit {
  return { ...commit, updates: [...commit.updates, ...parseTableUpdates([{ action: 'set-location', location }])] }
}

/** Creations at places that clients chose wait for each other, instead of writing files and losing the race. */
export const locationLane = (catalog: CatalogHandle): string => `location\n${catalog.tenantId}`

/**
 * Makes sure that a new location of an entry belongs to no other one: no entry of the tenant lies at, in or around it, in whatever
 * catalog and warehouse (two may share a bucket, one around the other), and, where a client chose it, none has named a place
 * there for its files; and no purge is at work there (`deletions.ts`). A location that the server made up may lie within a
 * place that an entry names: it is new, and holds no files.
 * `ownId` is the entry that may, `ownPurge` the task that is given up for it.
 * @throws IcebergError 400: not a 409, which clients take for "the table exists already"
 */
export async function assertLocationFree(
  context: CatalogContext,
  catalog: CatalogHandle,
  location: Location,
  {
    isMadeUp = false,
    ownId,
    ownPurge,
  }: { readonly isMadeUp?: boolean; readonly ownId?: string | undefined; readonly ownPurge?: string | undefined } = {},
): Promise<void> {
  await Promise.all([
    assertNoEntryAt(context, catalog, location, ownId, 'around and in', ownPurge),
    isMadeUp ? undefined : assertNoPlaceAt(context, catalog, location, ownId),
  ])
}

/**
 * The same for a place that others may share, and in which entries are to lie: that it is in no entry's place.
 * @throws IcebergError 400
 */
export async function assertInNoPlace(context: CatalogContext, catalog: CatalogHandle, location: Location): Promise<void> {
  await Promise.all([
    assertNoEntryAt(context, catalog, location, undefined, 'around'),
    assertNoPlaceAt(context, catalog, location, undefined, 'around'),
  ])
}

async function assertNoPlaceAt(
  { store }: CatalogContext,
  { tenantId: tenant_id }: CatalogHandle,
  location: Location,
  ownId: string | undefined,
  reach: Reach = 'around and in',
): Promise<void> {
  const near = await rowsNear(location, reach, (where, after) =>
    store.list('places', {
      index: 'primary',
      where: { tenant_id, ...where },
      limit: MOST_PLACES,
      ...(after && { after: { ...after, entry_id: '' } }),
    }),
  )
  const others = near.flat().filter((row) => row.entry_id !== ownId)
  if (others.length === 0) return
  // A server of before, beside this one, leaves the rows of what it drops.
  const entries = await Promise.all(
    others.map(({ entry_id: id }) => store.list('entries', { index: 'by_id', where: { tenant_id, id }, limit: 1 })),
  )
  if (entries.flat().length > 0 || near.some((rows) => rows.length === MOST_PLACES)) {
    throw badRequest(`Invalid location: ${location} overlaps a place that another table has for its files`)
  }
}

/** The entry that is in the way, for those who may see it, and the catalog that was asked. */
type Overlap = Pick<Row<'entries'>, 'catalog_id' | 'namespace' | 'name' | 'location' | 'id'> & { readonly asked: CatalogHandle }

/** Names the entry whose location is in the way to a caller who may read it, and the places that are allowed. */
export function explainOverlap(error: IcebergError, principal: Principal | undefined): IcebergError {
  const overlap = error.details['overlaps'] as Overlap | undefined
  if (overlap === undefined || principal === undefined) return error
  const { asked, name, id, location } = overlap
  const namespace = overlap.namespace.split(LEVEL_SEPARATOR)
  // Ids of namespaces were not looked up: bounds that need them see less.
  const levels = { names: namespace, ids: [] }
  const resource = { tenantId: asked.tenantId, catalog: asked, namespace: levels, entry: { name, id } }
  const isSeen = overlap.catalog_id === asked.id && isReadable(principal, 'table.read', resource)
  const which = isSeen ? `, ${displayIdentifier({ namespace, name })} at ${location}` : ''
  return badRequest(`${error.message}${which}; expected a free place below ${allowedPlaces(asked)}`)
}

/** At one place. Where there are more, their tables count as there. */
const MOST_PLACES = 32

/** The same of entries, and of those whose files are being deleted, alone: for places that entries may share. */
export async function assertNoEntryAt(
  context: CatalogContext,
  catalog: CatalogHandle,
  location: Location,
  ownId?: string,
  reach: Reach = 'around and in',
  ownPurge?: string,
): Promise<void> {
  const { store } = context
  const { tenantId: tenant_id } = catalog
  // Of the rows at one place at most one is our own: two tell whether there is another.
  const entries = rowsNear(location, reach, (where, after) =>
    store.list('entries', {
      index: 'by_location',
      where: { tenant_id, ...where },
      limit: 2,
      ...(after && { after: { ...after, catalog_id: '', branch: '', namespace: '', name: '' } }),
    }),
  )
  const [near] = await Promise.all([entries, assertNotBeingDeleted(context, catalog, location, reach, ownPurge)])
  const other = near.flat().find((entry) => entry.id !== ownId)
  if (other !== undefined) {
    const overlaps: Overlap = { ...other, asked: catalog }
    throw badRequest(`Invalid location: ${location} overlaps the location of another table or view`, { details: { overlaps } })
  }
}

/**
 * Read before looking whether a place is free: the row that changes whenever a place is taken that a client chose. A batch that
 * takes a place requires the version that was found, so that it fails when another one was faster, in whatever process. It is the
 * tenant's row, since that is the one lock of places that servers of the versions before know, too.
 */
export async function groundOf(context: CatalogContext, catalog: CatalogHandle): Promise<Row<'tenants'>> {
  const tenant = await context.store.get('tenants', { id: catalog.tenantId })
  if (tenant === undefined) throw new TypeError(`the tenant ${catalog.tenantId} has no row`)
  return tenant
}

/** A place that was found free on this ground. */
export interface Claim {
  readonly ground: Row<'tenants'>
  /** The server made the place up for this very entry: no other one can want it. */
  readonly own: boolean
  /** What else must hold when it is taken. */
  readonly steps?: readonly Mutation[] | undefined
}

/** The step that holds all places of a batch. `undefined` when a place was taken between looking at two of them. */
export function claimSteps(claims: readonly Claim[]): Mutation[] | undefined {
  const [first] = claims
  if (first === undefined) return []
  const { version: expected, ...row } = first.ground
  if (claims.some(({ ground }) => ground.version !== expected)) return undefined
  const also = claims.flatMap(({ steps = [] }) => steps)
  if (claims.every(({ own }) => own)) return [{ op: 'require', entity: 'tenants', key: { id: row.id }, expected }, ...also]
  return [{ op: 'replace', entity: 'tenants', row, expected }, ...also]
}
