/** The catalog's log of changes, for reading. It is written by `change.ts`, in the batch of each change. */
import type { Json } from '../stores/entities.ts'
import { assertMayTouchCatalog } from './authorize.ts'
import type { CatalogCall, CatalogContext, PageRequest } from './call.ts'
import { listPage } from './page-token.ts'

export interface CatalogCommit {
  readonly id: string
  readonly 'timestamp-ms': number
  readonly author: string
  readonly message: string
  readonly operations: Json
}

/** Newest first. */
export async function listCommits(
  context: CatalogContext,
  call: CatalogCall,
  page: PageRequest,
): Promise<{ readonly commits: readonly CatalogCommit[]; readonly 'next-page-token': string | null }> {
  assertMayTouchCatalog(call, 'catalog.read')
  const { tenantId, id, branch } = call.catalog
  const where = { tenant_id: tenantId, catalog_id: id, branch }
  const { rows, next } = await listPage(context, call, page, {
    name: ['commits'],
    entity: 'commits',
    index: 'primary',
    where,
    by: 'id',
    descending: true,
  })
  const commits = rows.map((row) => ({
    id: row.id,
    'timestamp-ms': row.timestamp_ms,
    author: row.author,
    message: row.message,
    operations: row.operations,
  }))
  return { commits, 'next-page-token': next }
}
