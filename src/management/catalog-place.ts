/** Where catalogs lie: each at a place of its own below its warehouse. */
import type { Principal } from '../access/principal.ts'
import { droppedIn, isUntouched, REMOVE_CATALOG } from '../catalog/catalog-removal.ts'
import { badRequest, conflict, noSuchWarehouse } from '../iceberg/errors.ts'
import { canonicalLocation, isBelow, joinLocation, overlaps, type Location } from '../iceberg/location.ts'
import type { Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import type { ManagementContext } from './context.ts'
import { settingsOf } from './handles.ts'
import { MAX_LISTED } from './input.ts'
import { lockPlaces } from './places-lock.ts'

export interface Place {
  readonly location: Location
  /** Hold until the catalog has the place. */
  readonly steps: readonly Mutation[]
}

interface Wanted {
  /** Of the catalog that is there already. */
  readonly id?: string | undefined
  readonly name: string
  readonly warehouse: string
  /** Below the warehouse, after its name, where nothing is said. */
  readonly location?: string | null | undefined
  /** Of the drop that it comes back from. */
  readonly dropId?: string | undefined
}

/** The place of a catalog: inside its warehouse, and not in another catalog's place. @throws IcebergError 400, 409 */
export async function placeOf(context: ManagementContext, principal: Principal, wanted: Wanted): Promise<Place> {
  const { store, now, uuid } = context.catalog
  const lock = await lockPlaces(store, principal.tenantId, now)
  const key = { tenant_id: principal.tenantId, name: wanted.warehouse }
  const warehouse = await store.get('warehouses', key)
  if (warehouse === undefined) throw badRequest(noSuchWarehouse(wanted.warehouse).message)
  const root = context.storage.rootOf(settingsOf(warehouse, context))
  const given = wanted.location == null || wanted.location === '' ? undefined : canonicalLocation(wanted.location)
  if (given !== undefined && given !== root && !isBelow(root, given))
    throw badRequest(`storage_location ${given} is not below the warehouse's ${root}`)
  const inTheWay = await takenPlaces(context, principal, wanted)
  const same: Mutation = { op: 'require', entity: 'warehouses', key, expected: warehouse.version }
  const named = given ?? joinLocation(root, wanted.name)
  const taken = inTheWay(named)
  if (taken === undefined) return { location: named, steps: [lock, same] }
  // The name is free, and the place after it is not: of a catalog that has another name by now.
  const apart = joinLocation(root, `${wanted.name}-${uuid().slice(0, 8)}`)
  if (given === undefined && inTheWay(apart) === undefined) return { location: apart, steps: [lock, same] }
  throw conflict(`storage_location ${named} overlaps with ${taken}`)
}

/** Names what has a place already. Catalogs are read before dropped ones, so that one which is dropped meanwhile is seen. */
async function takenPlaces(
  { catalog: { store } }: ManagementContext,
  { tenantId: tenant_id }: Principal,
  { id: ownId, dropId }: Pick<Wanted, 'id' | 'dropId'>,
): Promise<(place: Location) => string | undefined> {
  const rows = await store.list('catalogs', { index: 'primary', where: { tenant_id }, limit: MAX_LISTED })
  const where = { tenant_id, kind: REMOVE_CATALOG }
  const tasks = await store.list('tasks', { index: 'by_location', where, limit: MAX_LISTED })
  const others = rows.flatMap(({ id, name, storage_location: at }) =>
    at === null || id === ownId ? [] : [{ at: canonicalLocation(at), what: `catalog ${name} at ${at}` }],
  )
  const dropped = tasks.flatMap((task) =>
    task.location === null || task.id === dropId ? [] : [{ at: canonicalLocation(task.location), what: heldBy(task) }],
  )
  return (place) => [...others, ...dropped].find(({ at }) => overlaps(at, place))?.what
}

function heldBy(task: Row<'tasks'>): string {
  const { catalog, kept_until } = droppedIn(task)
  const until = isUntouched(task) ? `can come back until ${new Date(kept_until).toISOString()}` : 'is being removed'
  return `the dropped catalog ${catalog.name} at ${task.location}, which ${until} (/api/v1/dropped-catalogs/${task.id})`
}
