/**
 * What was dropped and can come back. The batch that removes the row of a table, view or namespace keeps it here, for as long as the
 * setting says. A drop with purge keeps it until the purge is due, where its warehouse has such a delay; and it gives up what was kept of
 * the same table. What is kept until a purge has the id of that task, and comes back in a batch that removes the task.
 */
import { conflict } from '../iceberg/errors.ts'
import { namespaceOfKey } from '../iceberg/identifier.ts'
import { stringify } from '../iceberg/json.ts'
import type { Json, NewRow, Row } from '../stores/entities.ts'
import { pagesOf } from '../stores/pages.ts'
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
  /** Its files are deleted then. */
  readonly purge: boolean
  /** The id of the namespace that it went with, and comes back with. */
  readonly dropped_with: string | null
}

/** The row as it was. */
export type Gone =
  | { readonly kind: 'namespace'; readonly row: NewRow<'namespaces'> }
  | { readonly kind: 'table' | 'view'; readonly row: NewRow<'entries'> }

const PAGE = 100
const MOST_GIVEN_UP = 500
const DEFAULT_PAGE = 100

export const goneOf = ({ kind, row }: Pick<Row<'dropped'>, 'kind' | 'row'>): Gone => ({ kind, row }) as unknown as Gone

export const placeOf = ({ kind, row }: Gone): Pick<Dropped, 'namespace' | 'name'> => ({
  namespace: namespaceOfKey(kind === 'namespace' ? row.parent : row.namespace),
  name: row.name,
})

export function shownDropped(row: NewRow<'dropped'>, purge: Row<'tasks'> | undefined): Dropped {
  const gone = goneOf(row)
  const { id, dropped_at, dropped_by, kept_until } = row
  return {
    id,
    kind: gone.kind,
    ...placeOf(gone),
    dropped_at,
    dropped_by,
    kept_until,
    purge: purge?.kind === PURGE,
    dropped_with: wholeOf(id),
  }
}

/** Namespaces, tables and views of one drop. */
export const MOST_IN_A_TREE = 500

/** Of what goes with a namespace, in their order. */
export const idOfPart = (whole: string, at: number): string => `${whole}.${String(at).padStart(4, '0')}`

function wholeOf(id: string): string | null {
  const end = id.indexOf('.')
  return end < 0 ? null : id.slice(0, end)
}

/** What went with a namespace and has not come back yet, namespaces first and the outermost of them first. */
export async function droppedWith({ store }: CatalogContext, row: Row<'dropped'>): Promise<Row<'dropped'>[]> {
  const { tenant_id, catalog_id, id } = row
  const where = { tenant_id, catalog_id }
  const behind = await store.list('dropped', { index: 'primary', where, after: { id: `${id}.` }, limit: MOST_IN_A_TREE })
  return behind.filter((part) => wholeOf(part.id) === id)
}

/** Ids of tasks that purge what was dropped are those of what is kept of it. */
const PURGE = 'purge-table'

/**
 * The purge that ends the time in which something can come back.
 * @throws IcebergError 409 when it has begun: to take a task is to change when it is due
 */
export async function purgeOf(
  { store, now }: CatalogContext,
  { id, kept_until }: Row<'dropped'>,
): Promise<Row<'tasks'> | undefined> {
  const task = await store.get('tasks', { id })
  if (task?.kind !== PURGE) return undefined
  if (task.owner === null && task.attempts === 0 && task.due_at === kept_until && kept_until > now()) return task
  throw conflict("It can't come back: its purge has begun")
}

interface Keeping {
  readonly id?: string
  readonly from?: number
  readonly ms?: number
}

/** The step that keeps what another step of the batch removes. */
export function keep(
  context: CatalogContext,
  { principal, catalog }: CatalogCall,
  { kind, row }: Gone,
  { id = context.uuidV7(), from: now = context.now(), ms = context.droppedKeptMs }: Keeping = {},
): Mutation[] {
  if (ms === 0) return []
  const kept = {
    tenant_id: catalog.tenantId,
    catalog_id: catalog.id,
    id,
    branch: catalog.branch,
    kind,
    row: { ...row } as unknown as Json,
    location: kind === 'namespace' ? null : row.location,
    dropped_at: now,
    dropped_by: principal.name,
    kept_until: now + ms,
  }
  return [{ op: 'insert', entity: 'dropped', row: kept }]
}

/** Gives up what was kept of a table that is about to be purged, as which it was registered again. Others at its place are not it. */
export async function giveUp({ store }: CatalogContext, { tenant_id, location, uuid }: NewRow<'entries'>): Promise<Mutation[]> {
  const given: Mutation[] = []
  for await (const rows of pagesOf(store, 'dropped', { index: 'by_location', where: { tenant_id, location }, pageRows: PAGE })) {
    for (const row of rows) {
      const gone = goneOf(row)
      const isOther = gone.kind === 'namespace' || (gone.row.uuid !== null && uuid !== null && gone.row.uuid !== uuid)
      if (!isOther) given.push(forget(row))
    }
    // Where there are more, the purge finds them and leaves all files.
    if (given.length >= MOST_GIVEN_UP) break
  }
  return given
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
  const kept = rows.filter(({ kept_until }) => kept_until > now)
  const tasks = await context.store.getMany(
    'tasks',
    kept.map(({ id }) => ({ id })),
  )
  return { dropped: kept.map((row, at) => shownDropped(row, tasks[at])), 'next-page-token': next }
}
