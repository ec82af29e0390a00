/** Rows that have a location, by where they lie to another one. */
import { isBelow, selfAndAbove, type Location } from '../iceberg/location.ts'

/** Rows at the location, at each place above it, and below it. `page`: those at one place, or those behind a place in order. */
export async function rowsNear<R extends { readonly location: string | null }>(
  location: Location,
  page: (where: { readonly location?: string }, after?: { readonly location: string }) => Promise<R[]>,
): Promise<R[][]> {
  const at = selfAndAbove(location).map((place) => page({ location: place }))
  const [below, ...found] = await Promise.all([page({}, { location: `${location}/` }), ...at])
  return [...found, below.filter((row) => row.location !== null && isBelow(location, row.location as Location))]
}
