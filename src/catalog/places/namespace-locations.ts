/**
 * Where namespaces lie. A namespace whose property `location` is set lies there, any other below its parent, and an outermost
 * one below the root of the catalog. Only the property is stored; what follows from it is worked out when it is asked for.
 * Tables and views made in a namespace go below its location. It is not the namespace's alone: namespaces may share a
 * location, and tables of other namespaces may lie in it.
 */
import { badRequest } from '../../iceberg/errors.ts'
import {
  canonicalFile,
  canonicalLocation,
  isBelow,
  joinLocation,
  liesWithin,
  locationSegment,
  schemeOf,
} from '../../iceberg/location.ts'
import { MAX_LEVELS } from '../../iceberg/identifier.ts'
import type { Location } from '../../iceberg/location.ts'
import type { Row } from '../../stores/entities.ts'
import type { CatalogContext, CatalogHandle, Namespace } from '../call.ts'
import { getNamespace, keysAlong, namespaceKey } from '../entries.ts'
import { refuse } from './locations.ts'
import { soon, type Soon } from '../soon.ts'

const LOCATION = 'location'
export type Properties = Readonly<Record<string, string>>
type Located = Pick<Row<'namespaces'>, 'location' | 'properties'>
type Line = readonly (Located | undefined)[]

/** In bytes. Object stores allow keys of 1024, and tables with their files go below. */
const MAX_LENGTH = 480
/** No name holds it, so what it joins is never spelled like another name. */
const JOINT = '\u001f'

/** As it was sent. */
export const givenLocation = (properties: Properties): string | undefined =>
  Object.hasOwn(properties, LOCATION) ? properties[LOCATION] : undefined

const isAllowed = ({ root, allowedRoots }: CatalogHandle, location: Location): boolean =>
  [root, ...allowedRoots].some((above) => liesWithin(above, location))

/** For a property that is to be stored. @throws IcebergError 400 */
export function checkedLocationOf(catalog: CatalogHandle, text: string): Location {
  const location = canonicalLocation(text)
  const length = Buffer.byteLength(location)
  if (length > MAX_LENGTH) throw badRequest(`Invalid location: ${length} bytes, expected at most ${MAX_LENGTH} for a namespace`)
  if (isAllowed(catalog, location)) return location
  return refuse(catalog, 'location', text)
}

/** The property as it was checked; none where a program that does not check changed the property since. */
export function settledLocation(row: Located): Location | undefined {
  if (row.location === null) return undefined
  const given = givenLocation(row.properties as Properties)
  const isSame = given !== undefined && canonicalFile(given.replace(/\/$/, '')) === row.location
  return isSame ? (row.location as Location) : undefined
}

/** The location that was set. One that the warehouse of today does not have is as if it had not been. */
function usableLocation(catalog: CatalogHandle, row: Located | undefined): Location | undefined {
  const location = row === undefined ? undefined : settledLocation(row)
  return location !== undefined && isAllowed(catalog, location) ? location : undefined
}

/** Of the namespace and of those around it, outermost first. */
function locationsAlong(catalog: CatalogHandle, namespace: Namespace, line: Line): Location[] {
  let above = catalog.root
  return namespace.map((level, at) => {
    above = usableLocation(catalog, line[at]) ?? locationBelow(catalog, above, namespace.slice(0, at + 1), level)
    return above
  })
}

function locationBelow({ root }: CatalogHandle, above: Location, levels: Namespace, level: string): Location {
  const length = Buffer.byteLength(above) + 1 + locationSegment(level, schemeOf(above)).length
  return length <= MAX_LENGTH ? joinLocation(above, level) : joinLocation(root, levels.join(JOINT))
}

/** The rows of the namespaces around this one, outermost first. */
async function rowsAround({ store }: CatalogContext, catalog: CatalogHandle, namespace: Namespace): Promise<Line> {
  if (namespace.length < 2) return []
  return store.getMany('namespaces', keysAlong(catalog, namespace.slice(0, -1)))
}

/** `row` is that of the namespace; without it, where one would lie that is to be created. */
export function locationOfNamespace(
  context: CatalogContext,
  catalog: CatalogHandle,
  namespace: Namespace,
  row: Located | undefined,
): Soon<Location> {
  const own = usableLocation(catalog, row)
  if (own !== undefined) return own
  const along = (line: Line): Location => locationsAlong(catalog, namespace, [...line, row]).at(-1)!
  return namespace.length < 2 ? along([]) : rowsAround(context, catalog, namespace).then(along)
}

/** Where tables and views made in the namespace go. */
export interface Home {
  readonly location: Location
  /** From names alone, so it is no other namespace's. */
  readonly isDerived: boolean
}

/** @throws IcebergError 404 when there is no such namespace */
export function homeOf(context: CatalogContext, catalog: CatalogHandle, namespace: Namespace): Soon<Home> {
  return soon(getNamespace(context, catalog, namespace), (row) =>
    soon(locationOfNamespace(context, catalog, namespace, row), (location) => ({
      location,
      isDerived: location === locationsAlong(catalog, namespace, []).at(-1),
    })),
  )
}

/** Of the namespaces around this one that have at least so many levels, and its own; with none, also the root of the catalog. */
export async function locationsFrom(
  context: CatalogContext,
  catalog: CatalogHandle,
  namespace: Namespace,
  levels: number,
): Promise<Location[]> {
  const rows = await context.store.getMany('namespaces', keysAlong(catalog, namespace))
  const along = locationsAlong(catalog, namespace, rows)
  return levels === 0 ? [catalog.root, ...along] : along.slice(levels - 1)
}

/** What clients are told: the properties, and where the namespace lies when none of them says so. */
export function answeredProperties(
  context: CatalogContext,
  catalog: CatalogHandle,
  namespace: Namespace,
  row: Located,
): Soon<Properties> {
  const properties = row.properties as Properties
  if (givenLocation(properties) !== undefined) return properties
  const known = answered.get(row)
  if (known?.catalog === catalog) return known.properties
  return soon(locationOfNamespace(context, catalog, namespace, row), (location) => {
    const all = { ...properties, [LOCATION]: location }
    if (namespace.length === 1) answered.set(row, { catalog, properties: all })
    return all
  })
}

/** Of outermost namespaces, whose location follows from their own row and the catalog alone. Both are the same until they change. */
const answered = new WeakMap<Located, { readonly catalog: CatalogHandle; readonly properties: Properties }>()

/** Whether a namespace was told to lie there or below. */
export async function holdsNamespace(
  { store }: CatalogContext,
  { tenantId }: CatalogHandle,
  location: Location,
): Promise<boolean> {
  const where = { tenant_id: tenantId }
  const behind = { location: `${location}/`, catalog_id: '', branch: '', parent: '', name: '' }
  const [at, below] = await Promise.all([
    store.list('namespaces', { index: 'by_location', where: { ...where, location }, limit: 1 }),
    store.list('namespaces', { index: 'by_location', where, after: behind, limit: 1 }),
  ])
  return at.length > 0 || below.some((row) => row.location !== null && isBelow(location, row.location as Location))
}

/** Whether a namespace lies there by its name, as far as the text of a place says its name. */
export async function namespaceAt(context: CatalogContext, catalog: CatalogHandle, location: Location): Promise<boolean> {
  if (!isBelow(catalog.root, location)) return false
  const segments = location.slice(catalog.root.length + 1).split('/')
  const levels = segments.map(nameOf)
  if (segments.length > MAX_LEVELS || levels.some((level, at) => locationSegment(level) !== segments[at])) return false
  return (await context.store.get('namespaces', namespaceKey(catalog, levels))) !== undefined
}

function nameOf(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
