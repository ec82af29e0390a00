/** What a catalog holds, counted. The numbers of a catalog that is being changed are those of no single moment. */
import type { Principal } from '../access/principal.ts'
import type { EntityName, Row } from '../stores/entities.ts'
import type { ListOptions } from '../stores/store.ts'
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

const PAGE = 5000

async function* rowsOf<E extends EntityName>(
  context: ManagementContext,
  entity: E,
  where: Partial<Row<E>>,
): AsyncGenerator<Row<E>> {
  for (let after: Row<E> | undefined; ;) {
    const from = after === undefined ? {} : { after: keyOf(entity, after) }
    const page: Row<E>[] = await context.catalog.store.list(entity, {
      index: 'primary',
      where,
      limit: PAGE,
      ...from,
    } as ListOptions<E>)
    yield* page
    if (page.length < PAGE) return
    after = page.at(-1)
  }
}

const KEYS: Partial<Record<EntityName, readonly string[]>> = {
  entries: ['tenant_id', 'catalog_id', 'branch', 'namespace', 'name'],
  namespaces: ['tenant_id', 'catalog_id', 'branch', 'parent', 'name'],
  branches: ['tenant_id', 'catalog_id', 'name'],
}

function keyOf<E extends EntityName>(entity: E, row: Row<E>): Partial<Row<E>> {
  const columns: readonly string[] = KEYS[entity] ?? []
  return Object.fromEntries(Object.entries(row).filter(([column]) => columns.includes(column))) as Partial<Row<E>>
}

export async function catalogSummary(context: ManagementContext, principal: Principal, name: string): Promise<CatalogSummary> {
  const catalog = await loadCatalog(context, principal, name)
  const inside = { tenant_id: principal.tenantId, catalog_id: catalog.id }
  const onMain = { ...inside, branch: 'main' }
  let tables = 0
  let views = 0
  for await (const row of rowsOf(context, 'entries', onMain)) {
    if (row.deleted) continue
    if (row.kind === 'view') views++
    else tables++
  }
  let namespaces = 0
  for await (const row of rowsOf(context, 'namespaces', onMain)) if (!row.deleted) namespaces++
  let branches = 0
  for await (const _row of rowsOf(context, 'branches', inside)) branches++
  return {
    name,
    table_count: tables,
    view_count: views,
    namespace_count: namespaces,
    branch_count: branches,
    storage_location: catalog.storage_location,
  }
}
