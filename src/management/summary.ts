/** What a catalog holds, counted. The numbers of a catalog that is being changed are those of no single moment. */
import type { Principal } from '../access/principal.ts'
import { pagesOf } from '../stores/pages.ts'
import type { ManagementContext } from './context.ts'
import { loadCatalog } from './catalogs.ts'

export interface CatalogSummary {
  readonly name: string
  readonly table_count: number
  readonly view_count: number
  readonly namespace_count: number
  readonly branch_count: number
  readonly storage_location: string | null
}

export interface Counts {
  readonly tables: number
  readonly views: number
  readonly namespaces: number
}

/** What there is under a catalog's id. */
export async function countsOf(
  { catalog: { store } }: ManagementContext,
  inside: { readonly tenant_id: string; readonly catalog_id: string },
): Promise<Counts> {
  const where = { ...inside, branch: 'main' }
  const counts = { tables: 0, views: 0, namespaces: 0 }
  for await (const page of pagesOf(store, 'entries', { index: 'primary', where })) {
    const present = page.filter(({ deleted }) => !deleted)
    const viewsOfPage = present.filter(({ kind }) => kind === 'view').length
    counts.views += viewsOfPage
    counts.tables += present.length - viewsOfPage
  }
  for await (const page of pagesOf(store, 'namespaces', { index: 'primary', where })) {
    counts.namespaces += page.filter(({ deleted }) => !deleted).length
  }
  return counts
}

export async function catalogSummary(context: ManagementContext, principal: Principal, name: string): Promise<CatalogSummary> {
  const catalog = await loadCatalog(context, principal, name)
  const inside = { tenant_id: principal.tenantId, catalog_id: catalog.id }
  const { tables, views, namespaces } = await countsOf(context, inside)
  let branches = 0
  for await (const page of pagesOf(context.catalog.store, 'branches', { index: 'primary', where: inside }))
    branches += page.length
  return {
    name,
    table_count: tables,
    view_count: views,
    namespace_count: namespaces,
    branch_count: branches,
    storage_location: catalog.storage_location,
  }
}
