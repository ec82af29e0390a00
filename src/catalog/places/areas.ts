/**
 * Where a narrowed token may place things: where its namespaces and catalogs lie, and where an entry itself has a place
 * already. Else a token for one table could make that table name the files of another one.
 */
import { namespacesAround } from '../../access/decide.ts'
import { notAllowed } from '../../access/refusals.ts'
import { boundsNow } from '../authorize.ts'
import type { IcebergError } from '../../iceberg/errors.ts'
import { liesWithin, type Location } from '../../iceberg/location.ts'
import type { CatalogCall, CatalogContext, Namespace, TableIdentifier } from '../call.ts'
import { canonicalPlace, locationCheck, namedPlaces, type LocationCheck } from './locations.ts'
import { locationsFrom } from './namespace-locations.ts'

/**
 * Where a principal may choose locations for a namespace: the locations of the catalog or namespaces around it that the
 * principal has as a whole, and of the namespaces between these and it. (A narrowed token sets a namespace's location only
 * within these.) All the warehouse when absent.
 */
export async function areasOf(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
): Promise<readonly Location[] | undefined> {
  const around = namespacesAround(await boundsNow(context, call), namespace)
  if (around === undefined || around.length === 0) return around && []
  const outermost = Math.min(...around.map((levels) => levels.length))
  return locationsFrom(context, call.catalog, namespace, outermost)
}

/** An entry that is there, or that is to be; what it is known to have as its own. */
interface Placed {
  readonly identifier: TableIdentifier
  readonly locations: readonly string[]
  readonly properties?: Readonly<Record<string, string>>
}

export interface PlaceCheck {
  /** @throws IcebergError 400 for what is not in the warehouse */
  readonly check: LocationCheck
  /** After the last check, before anything is made of what was checked. @throws IcebergError 403 */
  readonly settled: () => Promise<void>
}

/** For what a principal chooses. Areas are looked up only for what is not the entry's own. */
export function placeCheck(context: CatalogContext, call: CatalogCall, entry: Placed): PlaceCheck {
  const { principal, catalog } = call
  const check = locationCheck(catalog)
  if (principal.bounds?.within === undefined) return { check, settled: async () => {} }
  const named = namedPlaces(entry.properties ?? {}).map(([, place]) => place)
  const own = [...entry.locations, ...named].map(canonicalPlace).filter((place) => place !== undefined)
  const beside: { readonly location: string; readonly what: string; readonly canonical: Location | undefined }[] = []
  return {
    check: (location, what) => {
      check(location, what)
      const canonical = canonicalPlace(location)
      if (!own.some((place) => canonical !== undefined && liesWithin(place, canonical)))
        beside.push({ location, what, canonical })
    },
    settled: async () => {
      if (beside.length === 0) return
      const areas = await areasOf(context, call, entry.identifier.namespace)
      const refused = beside.find(({ canonical }) => canonical === undefined || !isInArea(areas, canonical))
      if (refused !== undefined) throw outOfArea(call, refused.location, refused.what)
    },
  }
}

const isInArea = (areas: readonly Location[] | undefined, location: Location): boolean =>
  areas === undefined || areas.some((area) => liesWithin(area, location))

const outOfArea = ({ principal }: CatalogCall, location: string, what: string): IcebergError =>
  notAllowed(principal, `the ${what} ${location.slice(0, 300).toWellFormed()}`)

/** For where a namespace is to lie. @throws IcebergError 403 */
export async function assertInArea(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  location: Location,
): Promise<void> {
  if (!isInArea(await areasOf(context, call, namespace), location)) throw outOfArea(call, location, 'location')
}
