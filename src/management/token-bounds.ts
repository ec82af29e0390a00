/** What a token is to be bound to: from the names in a request to what has them now. */
import { createBounds, named, type Bound, type Bounds } from '../access/bounds.ts'
import { MAIN_BRANCH } from '../catalog/catalogs.ts'
import { entryKey, namespaceKey } from '../catalog/entries.ts'
import type { ManagementContext } from './context.ts'

/**
 * The bounds, with the ids of what exists. What does not exist yet is bound by its name, within the innermost thing around it that
 * does.
 * @throws IcebergError 400 for a name that nothing can have
 */
export async function resolvedBounds(context: ManagementContext, tenantId: string, { access, within }: Bounds): Promise<Bounds> {
  return createBounds(access, within && (await Promise.all(within.map((bound) => resolved(context, tenantId, bound)))))
}

async function resolved({ catalog: { store } }: ManagementContext, tenantId: string, bound: Bound): Promise<Bound> {
  const { catalog: name, namespace, table } = bound
  const row = await store.get('catalogs', { tenant_id: tenantId, name })
  if (row === undefined) return named(bound)
  const place = { tenantId, id: row.id, branch: MAIN_BRANCH }
  const [space, entry] = await Promise.all([
    namespace && store.get('namespaces', namespaceKey(place, namespace)),
    namespace && table !== undefined ? store.get('entries', entryKey(place, { namespace, name: table })) : undefined,
  ])
  const ids = { catalog: row.id, ...(space && { namespace: space.id }), ...(entry && { table: entry.id }) }
  return { ...named(bound), ids }
}
