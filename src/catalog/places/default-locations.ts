/**
 * Where something new goes whose creator names no place: `<location of the namespace>/<name>` where nothing is and nothing was,
 * else the same with an ending that nothing else has. So a table that is created again never finds the files of the one before.
 * A warehouse may want the ending always (`table_location_layout`).
 */
import { IcebergError } from '../../iceberg/errors.ts'
import { joinLocation, type Location } from '../../iceberg/location.ts'
import { StorageError } from '../../storage/storage.ts'
import type { Mutation } from '../../stores/store.ts'
import type { CatalogContext, CatalogHandle, TableIdentifier } from '../call.ts'
import { namespaceKey } from '../entries.ts'
import { assertLocationFree } from './locations.ts'
import { holdsNamespace, type Home } from './namespace-locations.ts'

/** Of a page of names that tells whether there is a file; folders that object stores keep as empty objects are none. */
const FEW = 4

export interface MadeUp {
  readonly location: Location
  /** Nothing else can want it. */
  readonly own: boolean
  /** Steps for the batch that takes it. */
  readonly steps: readonly Mutation[]
}

const endingOf = { suffix: (uuid: string) => uuid.slice(0, 8), uuid: (uuid: string) => uuid }
const withEnding = ({ location }: Home, { name }: TableIdentifier, ending: string): Location =>
  joinLocation(location, `${name}-${ending}`)
const apart = ({ root }: CatalogHandle, uuid: string): Location => joinLocation(root, uuid)

/** The places that are made up for this UUID alone. */
export const ownLocations = (catalog: CatalogHandle, home: Home, identifier: TableIdentifier, uuid: string): Location[] => [
  ...Object.values(endingOf).map((ending) => withEnding(home, identifier, ending(uuid))),
  apart(catalog, uuid),
]

/**
 * Those that a staged creation may have been told, which its commit brings back. Where namespaces share a location, the plain one
 * may hold files of another's table, so it is for those alone who may choose places there.
 */
export const toldLocations = (catalog: CatalogHandle, home: Home, identifier: TableIdentifier, uuid: string): Location[] => [
  ...(home.isDerived ? [joinLocation(home.location, identifier.name)] : []),
  ...ownLocations(catalog, home, identifier, uuid),
]

export interface Wanted {
  readonly identifier: TableIdentifier
  readonly home: Home
  readonly uuid: string
}

/**
 * A staged creation is told the plain location too, and nothing keeps that for it: of two that are staged under one name the
 * first commit wins, and the other one is refused, by its name or its location.
 * @throws IcebergError 400 when there is no place at all
 */
export async function makeUpLocation(context: CatalogContext, catalog: CatalogHandle, wanted: Wanted): Promise<MadeUp> {
  const { identifier, home, uuid } = wanted
  const layout = catalog.tableLayout
  if (layout === 'plain') {
    const plain = joinLocation(home.location, identifier.name)
    if (await isUntouched(context, catalog, identifier, plain)) {
      const child = namespaceKey(catalog, [...identifier.namespace, identifier.name])
      const steps: Mutation[] = [{ op: 'require', entity: 'namespaces', key: child, expected: 'none' }]
      // Where namespaces may share a location, tables of the same name want the same place.
      return { location: plain, own: home.isDerived, steps }
    }
  }
  const ended = withEnding(home, identifier, endingOf[layout === 'uuid' ? 'uuid' : 'suffix'](uuid))
  if (await isFree(context, catalog, ended, { isMadeUp: true })) return { location: ended, own: true, steps: [] }
  // The namespace has come to lie in a table, or in what is being deleted.
  const location = apart(catalog, uuid)
  await assertLocationFree(context, catalog, location, { isMadeUp: true })
  return { location, own: true, steps: [] }
}

async function isFree(...place: Parameters<typeof assertLocationFree>): Promise<boolean> {
  try {
    await assertLocationFree(...place)
    return true
  } catch (error) {
    if (error instanceof IcebergError && error.code === 400) return false
    throw error
  }
}

/** No entry, no place of one, no deletion, no namespace and no file. */
async function isUntouched(
  context: CatalogContext,
  catalog: CatalogHandle,
  identifier: TableIdentifier,
  location: Location,
): Promise<boolean> {
  const child = namespaceKey(catalog, [...identifier.namespace, identifier.name])
  const found = await Promise.all([
    isFree(context, catalog, location).then((free) => !free),
    context.store.get('namespaces', child).then((row) => row !== undefined),
    holdsNamespace(context, catalog, location),
    holdsFiles(context, catalog, location),
  ])
  return !found.includes(true)
}

/** Where that can't be found out, it counts as yes: keys that may not list are no reason to refuse a table. */
async function holdsFiles(context: CatalogContext, { storage }: CatalogHandle, location: Location): Promise<boolean> {
  try {
    for await (const object of storage.list(`${location}/`, { pageSize: FEW })) {
      if (object.sizeBytes > 0 || !object.location.endsWith('/')) return true
    }
    return false
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    context.log('location-not-listed', { location, kind: error.kind })
    return true
  }
}
