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

export async function catalogSummary(context: ManagementContext, principal: Principal, name: string): Promise<CatalogSummary> {
  const catalog = await loadCatalog(context, principal, name)
  const inside = { tenant_id: principal.tenantId, catalog_id: catalog.id }
  const onMain = { ...inside, branch: 'main' }
  let tables = 0
  let views = 0
  const { store } = context.catalog
  for await (const page of pagesOf(store, 'entries', { index: 'primary', where: onMain })) {
    const present = page.filter(({ deleted }) => !deleted)
    const viewsOfPage = present.filter(({ kind }) => kind === 'view').length
    views += viewsOfPage
    tables += present.length - viewsOfPage
  }
  let namespaces = 0
  for await (const page of pagesOf(store, 'namespaces', { index: 'primary', where: onMain })) {
    namespaces += page.filter(({ deleted }) => !deleted).length
  }
  let branches = 0
  for await (const page of pagesOf(store, 'branches', { index: 'primary', where: inside })) branches += page.length
  return {
    name,
    table_count: tables,
    view_count: views,
    namespace_count: namespaces,
    branch_count: branches,
    storage_location: catalog.storage_location,
  }
}
