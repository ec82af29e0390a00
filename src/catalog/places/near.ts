/** Rows that have a location, by where they lie to another one. */
import { isBelow, selfAndAbove, type Location } from '../../iceberg/location.ts'

/** What may not be where something is placed: what lies at it or around it, or also what lies in it. */
export type Reach = 'around' | 'around and in'

/** Rows at the location and at each place above it, and below it. `page`: those at one place, or those behind one in order. */
export async function rowsNear<R extends { readonly location: string | null }>(
  location: Location,
  reach: Reach,
  page: (where: { readonly location?: string }, after?: { readonly location: string }) => Promise<R[]>,
): Promise<R[][]> {
  const at = selfAndAbove(location).map((place) => page({ location: place }))
  if (reach === 'around') return Promise.all(at)
  const [below, ...found] = await Promise.all([page({}, { location: `${location}/` }), ...at])
  return [...found, below.filter((row) => row.location !== null && isBelow(location, row.location as Location))]
}
