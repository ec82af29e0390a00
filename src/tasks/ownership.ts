/**
 * Whether files below a location may be deleted: not while any table or view of the tenant (in any catalog, on any branch)
 * lives at, above or below it. A background task asks again before each batch, so that a table created meanwhile is safe.
 */
import { isBelow, type Location } from '../iceberg/location.ts'
import type { Row } from '../stores/entities.ts'
import type { Store } from '../stores/store.ts'

const PAGE = 200

/** The location itself and what lies above it, up to the bucket. */
function selfAndAbove(location: Location): string[] {
  const [start] = /^[a-z0-9]+:\/\/[^/]*/.exec(location) ?? ['']
  const names = location.slice(start.length).split('/').slice(1)
  const above = names.map((_, i) => `${start}/${names.slice(0, i + 1).join('/')}`)
  return start.endsWith('//') ? above : [start, ...above]
}

/** A living entry at exactly this location, other than those that `isOwn` accepts. */
async function entryAt(store: Store, tenantId: string, location: string): Promise<Row<'entries'> | undefined> {
  let after: Row<'entries'> | undefined
  for (;;) {
    const rows: Row<'entries'>[] = await store.list('entries', {
      index: 'by_location',
      where: { tenant_id: tenantId, location },
      limit: PAGE,
      ...(after && { after: position(after) }),
    })
    const living = rows.find(({ deleted }) => !deleted)
    if (living !== undefined || rows.length < PAGE) return living
    after = rows.at(-1)
  }
}

const position = ({ tenant_id, location, catalog_id, branch, namespace, name }: Row<'entries'>): Partial<Row<'entries'>> => ({
  tenant_id,
  location,
  catalog_id,
  branch,
  namespace,
  name,
})

async function entryBelow(store: Store, tenantId: string, location: Location): Promise<Row<'entries'> | undefined> {
  let after: Partial<Row<'entries'>> = {
    tenant_id: tenantId,
    location: `${location}/`,
    catalog_id: '',
    branch: '',
    namespace: '',
    name: '',
  }
  for (;;) {
    const rows = await store.list('entries', { index: 'by_location', where: { tenant_id: tenantId }, after, limit: PAGE })
    for (const row of rows) {
      if (!isBelow(location, row.location as Location)) return undefined
      if (!row.deleted) return row
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return undefined
    after = position(last)
  }
}

/** An entry whose location is the same, above, or below; `undefined` when the location is nobody's. */
export async function findOwner(store: Store, tenantId: string, location: Location): Promise<Row<'entries'> | undefined> {
  for (const place of selfAndAbove(location)) {
    const owner = await entryAt(store, tenantId, place)
    if (owner !== undefined) return owner
  }
  return entryBelow(store, tenantId, location)
}
