/** The catalog's log of changes, for reading. It is written by `changes/`, in the batch of each change. */
import { stringify } from '../iceberg/json.ts'
import type { Json } from '../stores/entities.ts'
import { assertMayTouchCatalog } from './authorize.ts'
import type { CatalogCall, CatalogContext, PageRequest } from './call.ts'
import { boundedPage } from './bounded-page.ts'

export interface CatalogCommit {
  readonly id: string
  readonly 'timestamp-ms': number
  readonly author: string
  readonly message: string
  readonly operations: Json
}

const DEFAULT_PAGE = 100

/** Newest first. A page ends early where the changes are large: a transaction's has a line for each table. */
export async function listCommits(
  context: CatalogContext,
  call: CatalogCall,
  page: PageRequest,
): Promise<{ readonly commits: readonly CatalogCommit[]; readonly 'next-page-token': string | null }> {
  assertMayTouchCatalog(call, 'catalog.read')
  const { tenantId, id, branch } = call.catalog
  const where = { tenant_id: tenantId, catalog_id: id, branch }
  const asked = { pageToken: page.pageToken ?? '', pageSize: page.pageSize ?? DEFAULT_PAGE }
  const listing = {
    name: ['commits'],
    entity: 'commits',
    index: 'primary',
    where,
    by: 'id',
    descending: true,
  } as const
  const bytesOf = ({ operations }: { readonly operations: Json }): number => stringify(operations).length
  const { rows, next } = await boundedPage(context, call, asked, listing, bytesOf)
  const commits = rows.map((row) => ({
    id: row.id,
    'timestamp-ms': row.timestamp_ms,
    author: row.author,
    message: row.message,
    operations: row.operations,
  }))
  return { commits, 'next-page-token': next }
}
