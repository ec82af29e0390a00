/**
 * Whether files below a location may be deleted: not while any table or view of the tenant (in any catalog, on any branch)
 * lives at, above or below it. A background task asks again before each batch, so that a table created meanwhile is safe.
 */
import { selfAndAbove, type Location } from '../iceberg/location.ts'
import type { Row } from '../stores/entities.ts'
import { pagesOf } from '../stores/pages.ts'
import type { Store } from '../stores/store.ts'

type Entry = Row<'entries'>
const PAGE = 200

/** The first living entry of a listing that `matches`; rows for which it is false end the listing. */
async function firstLiving(
  store: Store,
  where: Partial<Entry>,
  after: Partial<Entry> | undefined,
  matches: (row: Entry) => boolean,
): Promise<Entry | undefined> {
  const wanted = { index: 'by_location', where, pageRows: PAGE, ...(after && { after }) } as const
  for await (const rows of pagesOf(store, 'entries', wanted)) {
    for (const row of rows) {
      if (!matches(row)) return undefined
      if (!row.deleted) return row
    }
  }
  return undefined
}

/** An entry whose location is the same, above, or below; `undefined` when the location belongs to no entry. */
export async function findOwner(store: Store, tenantId: string, location: Location): Promise<Entry | undefined> {
  for (const place of selfAndAbove(location)) {
    const owner = await firstLiving(store, { tenant_id: tenantId, location: place }, undefined, () => true)
    if (owner !== undefined) return owner
  }
  const below = `${location}/`
  const start = { tenant_id: tenantId, location: below, catalog_id: '', branch: '', namespace: '', name: '' }
  return firstLiving(store, { tenant_id: tenantId }, start, (row) => row.location.startsWith(below))
}
