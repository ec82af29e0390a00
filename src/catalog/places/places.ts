/**
 * Places beside its own location that the metadata of an entry names for files (`write.data.path` and its kind). Entries may
 * share such places. But no entry's own location may lie at, in or around one, nor one at, in or around another's location:
 * a client that is let into the one would be given files of the other. So each is a row, of the entry that names it, and taking one
 * excludes taking a location at the same time.
 */
import { liesWithin, type Location } from '../../iceberg/location.ts'
import type { Row } from '../../stores/entities.ts'
import type { Mutation } from '../../stores/store.ts'
import type { CatalogContext, CatalogHandle } from '../call.ts'
import type { Placed } from '../documents/documents.ts'
import { assertNoEntryAt, canonicalPlace, groundOf, namedPlaces, PLACES } from './locations.ts'
import type { Claim } from './locations.ts'

/** How the rows of an entry change. */
export interface Beside {
  readonly added: readonly Location[]
  readonly removed: readonly Row<'places'>[]
  /** Where there are added ones. */
  readonly claim: Claim | undefined
}

function placesBeside({ location, properties }: Placed): readonly Location[] {
  const named = namedPlaces(properties)
  if (named.length === 0) return []
  const own = canonicalPlace(location)
  const places = named.map(([, place]) => canonicalPlace(place))
  const beside = places.filter((place) => place !== undefined && own !== undefined && !liesWithin(own, place))
  return [...new Set(beside as Location[])]
}

type Stored = Pick<CatalogContext, 'store'>
type Owned = Pick<CatalogHandle, 'tenantId'>

const rowsOf = ({ store }: Stored, { tenantId }: Owned, entryId: string): Promise<Row<'places'>[]> =>
  store.list('places', { index: 'by_entry', where: { tenant_id: tenantId, entry_id: entryId }, limit: PLACES.length })

/**
 * What becomes of an entry's places with this metadata. `known.id` is that of an entry that exists, `known.base` its metadata;
 * `known.ground` was read before any of this.
 * @throws IcebergError 400 when another entry lies at, in or around one that is new
 */
export async function takePlaces(
  context: CatalogContext,
  catalog: CatalogHandle,
  metadata: Placed,
  known: {
    readonly base?: Placed | undefined
    readonly id?: string | undefined
    readonly ground?: Claim['ground'] | undefined
    readonly ownPurge?: string | undefined
  },
): Promise<Beside | undefined> {
  const { base, id } = known
  const places = placesBeside(metadata)
  if (base === undefined ? id === undefined && places.length === 0 : isSame(places, placesBeside(base))) return undefined
  const [ground, rows] = await Promise.all([
    known.ground ?? (places.length > 0 ? groundOf(context, catalog) : undefined),
    id === undefined ? [] : rowsOf(context, catalog, id),
  ])
  const added = places.filter((place) => !rows.some((row) => row.location === place))
  for (const place of added) await assertNoEntryAt(context, catalog, place, id, 'around and in', known.ownPurge)
  const claim = added.length > 0 && ground !== undefined ? { ground, own: false } : undefined
  return { added, removed: rows.filter((row) => !places.includes(row.location as Location)), claim }
}

const isSame = (some: readonly Location[], others: readonly Location[]): boolean =>
  some.length === others.length && some.every((place) => others.includes(place))

export function placeSteps(entry: Pick<Row<'entries'>, 'tenant_id' | 'id'>, beside: Beside | undefined): Mutation[] {
  if (beside === undefined) return []
  const { tenant_id, id: entry_id } = entry
  const insert = (location: Location): Mutation => ({ op: 'insert', entity: 'places', row: { tenant_id, location, entry_id } })
  return [...beside.removed.map(removal), ...beside.added.map(insert)]
}

/** For an entry that goes away. */
export const freedPlaces = async (context: Stored, catalog: Owned, entryId: string): Promise<Mutation[]> =>
  (await rowsOf(context, catalog, entryId)).map(removal)

function removal({ tenant_id, location, entry_id, version }: Row<'places'>): Mutation {
  return { op: 'remove', entity: 'places', key: { tenant_id, location, entry_id }, expected: version }
}
