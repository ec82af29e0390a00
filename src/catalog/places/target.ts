/**
 * The places of a table's files, and those of them that clients of the table get access to. The rules of today decide, not those of
 * the day on which metadata named a place: a place that no longer lies in the warehouse, or that overlaps another table's, gives
 * no access.
 */
import { IcebergError } from '../../iceberg/errors.ts'
import { isBelow, overlaps, type Location } from '../../iceberg/location.ts'
import { encodeNamespacePath, encodePathSegment } from '../../iceberg/identifier.ts'
import { areasOf } from './areas.ts'
import { MAIN_BRANCH } from '../catalogs.ts'
import type { CatalogCall, CatalogContext, CatalogHandle, TableIdentifier } from '../call.ts'
import { placedOf } from '../documents/documents.ts'
import type { Placed } from '../documents/documents.ts'
import type { Entry } from '../entries.ts'
import { assertNoEntryAt, checkedLocation, namedPlaces } from './locations.ts'
import { soon, type Soon } from '../soon.ts'

/** What credentials are made for, and requests signed. */
export interface Target {
  readonly identifier: TableIdentifier
  /** Absent for a table that is staged only. */
  readonly entryId: string | undefined
  readonly spelling: string
  /** The first is the table's location. */
  readonly places: readonly Location[]
}

/** @throws IcebergError 400 when the location is no longer one of the warehouse's */
export function targetOf(
  { catalog }: CatalogCall,
  identifier: TableIdentifier,
  metadata: Placed,
  row: Pick<Entry, 'id' | 'location'> | undefined,
): Target {
  const places = [checkedLocation(catalog, row?.location ?? metadata.location)]
  for (const [, text] of namedPlaces(metadata.properties)) {
    const place = allowing(() => checkedLocation(catalog, text))
    if (place !== undefined && !places.some((other) => overlaps(other, place))) places.push(place)
  }
  return { identifier, entryId: row?.id, spelling: metadata.location, places }
}

/** Nothing instead of a refusal. */
function allowing<T>(check: () => T): T | undefined {
  try {
    return check()
  } catch (error) {
    if (error instanceof IcebergError && error.code === 400) return undefined
    throw error
  }
}

/**
 * The table's own location, which no other entry can have taken, and of its other places those that no entry lies in or around. Of
 * a table of the past the own location too may be another's by now.
 */
export async function allowedPlaces(context: CatalogContext, catalog: CatalogHandle, target: Target): Promise<Location[]> {
  const [own, ...others] = target.places
  const free = async (place: Location): Promise<Location[]> => {
    try {
      await assertNoEntryAt(context, catalog, place, target.entryId)
      return [place]
    } catch (error) {
      if (error instanceof IcebergError && error.code === 400) return []
      throw error
    }
  }
  const kept = catalog.at === undefined ? [own!] : await free(own!)
  return kept.length === 0 ? [] : [...kept, ...(await Promise.all(others.map(free))).flat()]
}

/**
 * Tables may share places beside their own, so what lies there may be other tables' files: a narrowed token opens such a
 * place only within a namespace or catalog that it has as a whole.
 */
export function placesFor(context: CatalogContext, call: CatalogCall, { identifier, places }: Target): Soon<readonly Location[]> {
  if (places.length === 1 || call.principal.bounds?.within === undefined) return places
  return areasOf(context, call, identifier.namespace).then((areas) =>
    places.filter((place, at) => at === 0 || areas === undefined || areas.some((area) => isBelow(area, place))),
  )
}

const targetsOfRows = new WeakMap<Entry, { readonly catalog: CatalogHandle; readonly target: Target | undefined }>()

/** Nothing where the table lies outside of what the warehouse is today. */
export function targetOfRow(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  row: Entry,
): Soon<Target | undefined> {
  const known = targetsOfRows.get(row)
  if (known?.catalog === call.catalog) return known.target
  return soon(placedOf(context, call.catalog, row), (metadata) => {
    const target = allowing(() => targetOf(call, identifier, metadata, row))
    targetsOfRows.set(row, { catalog: call.catalog, target })
    return target
  })
}

/** What stands for the catalog in paths, as one segment: clients paste it as it is. */
export function prefixOf({ name, branch, at }: CatalogHandle): string {
  const onBranch = branch === MAIN_BRANCH ? name : `${name}@${branch}`
  return encodePathSegment(at === undefined ? onBranch : `${onBranch}@${at}`)
}

/** Of what there is for a table; below the URI that a client has for the catalog, also in its doubled form. */
export function pathOf(catalog: CatalogHandle, { namespace, name: table }: TableIdentifier, what: string): string {
  const tables = ['v1', prefixOf(catalog), 'namespaces', encodeNamespacePath(namespace), 'tables']
  return [...tables, encodePathSegment(table), what].join('/')
}
