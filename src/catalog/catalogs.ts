/** The steps that make and unmake a catalog; management wraps them in its own batch, with its own rules and answers. */
import type { NewRow, Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import type { ChangeCall } from '../changes/context.ts'
import type { CatalogContext } from './call.ts'
import { logStep } from '../changes/write.ts'
import { FIRST_EPOCH } from './entries.ts'
import { namespaceCreation } from './namespaces.ts'

export const MAIN_BRANCH = 'main'

/** Each catalog has it from the start: clients such as Flink want it to exist before a namespace was created. */
export const FIRST_NAMESPACE = ['default']

/** The steps that store a catalog and its branch `main`. A name that is taken is a conflict at step 0. */
export function createCatalogRow(row: NewRow<'catalogs'>): Mutation[] {
  const branch = {
    tenant_id: row.tenant_id,
    catalog_id: row.id,
    name: MAIN_BRANCH,
    branch_type: 'main',
    epoch: FIRST_EPOCH,
    parent: null,
    parent_epoch: null,
    created_at: row.created_at,
  }
  return [
    { op: 'insert', entity: 'catalogs', row },
    { op: 'insert', entity: 'branches', row: branch },
  ]
}

/** The steps that store a catalog, its branch `main` and its first namespace, the latter as if the caller had created it. */
export function createCatalogWithNamespace(context: CatalogContext, call: ChangeCall, row: NewRow<'catalogs'>): Mutation[] {
  const place = { tenantId: row.tenant_id, id: row.id, branch: MAIN_BRANCH }
  const creation = namespaceCreation(context, place, FIRST_NAMESPACE, {})
  const logKey = { tenant_id: row.tenant_id, catalog_id: row.id, branch: MAIN_BRANCH, id: context.uuidV7() }
  return [...createCatalogRow(row), ...creation.steps, logStep(context, logKey, call, creation)]
}

/**
 * The steps after which there is no such catalog. What is in it is for the caller to see to. A conflict says that it was changed. Its
 * log stays, under an id that no other catalog ever gets.
 */
export function dropCatalogRow(row: Row<'catalogs'>, { tenant_id, catalog_id, name, version }: Row<'branches'>): Mutation[] {
  return [
    { op: 'remove', entity: 'catalogs', key: { tenant_id: row.tenant_id, name: row.name }, expected: row.version },
    { op: 'remove', entity: 'branches', key: { tenant_id, catalog_id, name }, expected: version },
  ]
}
