/**
 * What was dropped without a purge and can come back. The batch that removes the row of a table, view or namespace keeps it here, for
 * as long as the setting says; a drop with purge keeps nothing, and gives up what was kept of the same place.
 */
import { namespaceOfKey } from '../iceberg/identifier.ts'
import { stringify } from '../iceberg/json.ts'
import type { Json, NewRow, Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import { assertMayTouchCatalog } from './authorize.ts'
import { boundedPage } from './bounded-page.ts'
import type { CatalogCall, CatalogContext, PageRequest } from './call.ts'

export type DroppedKind = 'table' | 'view' | 'namespace'

/** Times are milliseconds since 1970. */
export interface Dropped {
  readonly id: string
  readonly kind: DroppedKind
  /** Of a namespace: those around it. */
  readonly namespace: readonly string[]
  readonly name: string
  readonly dropped_at: number
  readonly dropped_by: string
  readonly kept_until: number
}

/** The row as it was. */
export type Gone =
  | { readonly kind: 'namespace'; readonly row: NewRow<'namespaces'> }
  | { readonly kind: 'table' | 'view'; readonly row: NewRow<'entries'> }

const MOST_AT_A_PLACE = 100
const DEFAULT_PAGE = 100

export const goneOf = ({ kind, row }: Pick<Row<'dropped'>, 'kind' | 'row'>): Gone => ({ kind, row }) as unknown as Gone

export const placeOf = ({ kind, row }: Gone): Pick<Dropped, 'namespace' | 'name'> => ({
  namespace: namespaceOfKey(kind === 'namespace' ? row.parent : row.namespace),
  name: row.name,
})

export function shownDropped(row: NewRow<'dropped'>): Dropped {
  const gone = goneOf(row)
  const { id, dropped_at, dropped_by, kept_until } = row
  return { id, kind: gone.kind, ...placeOf(gone), dropped_at, dropped_by, kept_until }
}

/** The step that keeps what another step of the batch removes. */
export function keep(context: CatalogContext, { principal, catalog }: CatalogCall, { kind, row }: Gone): Mutation[] {
  if (context.droppedKeptMs === 0) return []
  const now = context.now()
  const kept = {
    tenant_id: catalog.tenantId,
    catalog_id: catalog.id,
    id: context.uuidV7(),
    branch: catalog.branch,
    kind,
    row: { ...row } as unknown as Json,
    location: kind === 'namespace' ? null : row.location,
    dropped_at: now,
    dropped_by: principal.name,
    kept_until: now + context.droppedKeptMs,
  }
  return [{ op: 'insert', entity: 'dropped', row: kept }]
}

/** Gives up what was kept of a place whose files are about to be purged: the table that is purged was one with it. */
export async function giveUp({ store }: CatalogContext, tenant_id: string, location: string): Promise<Mutation[]> {
  const rows = await store.list('dropped', { index: 'by_location', where: { tenant_id, location }, limit: MOST_AT_A_PLACE })
  return rows.map(forget)
}

/** The step that removes the row of something that has come back, or can't any more. */
export function forget({ tenant_id, catalog_id, id, version }: Row<'dropped'>): Mutation {
  return { op: 'remove', entity: 'dropped', key: { tenant_id, catalog_id, id }, expected: version }
}

/** Newest first. A page ends early where namespaces had large properties. */
export async function listDropped(
  context: CatalogContext,
  call: CatalogCall,
  page: PageRequest,
): Promise<{ readonly dropped: readonly Dropped[]; readonly 'next-page-token': string | null }> {
  assertMayTouchCatalog(call, 'catalog.read')
  const { tenantId: tenant_id, id: catalog_id } = call.catalog
  const listing = {
    name: ['dropped'],
    entity: 'dropped',
    index: 'primary',
    where: { tenant_id, catalog_id },
    by: 'id',
    descending: true,
  } as const
  const asked = { pageToken: page.pageToken ?? '', pageSize: page.pageSize ?? DEFAULT_PAGE }
  const { rows, next } = await boundedPage(context, call, asked, listing, ({ row }) => stringify(row).length)
  const now = context.now()
  return { dropped: rows.filter(({ kept_until }) => kept_until > now).map(shownDropped), 'next-page-token': next }
}
