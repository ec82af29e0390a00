/**
 * Dropping catalogs: an empty one, or one with all that is in it. Either is gone at once, and can come back for a while
 * (`catalog/catalog-removal.ts`).
 */
import { removalStep } from '../catalog/catalog-removal.ts'
import { dropCatalogRow, FIRST_NAMESPACE, MAIN_BRANCH } from '../catalog/catalogs.ts'
import { identifierOf, withoutVersion } from '../catalog/entries.ts'
import { unprotected } from '../catalog/protection.ts'
import { change } from '../changes/change.ts'
import { tenantLog, type ChangeCall } from '../changes/context.ts'
import { displayIdentifier, displayNamespace, IcebergError } from '../iceberg/errors.ts'
import { namespaceOfKey } from '../iceberg/identifier.ts'
import { joinLocation } from '../iceberg/location.ts'
import type { NewRow, Row } from '../stores/entities.ts'
import { pagesOf } from '../stores/pages.ts'
import type { Mutation } from '../stores/store.ts'
import { inUse, noSuchCatalog, outcomeOf, refuseInUse, rowOf, shown, thingOf, within } from './catalogs.ts'
import type { ManagementContext } from './context.ts'
import { settingsOf } from './handles.ts'

export interface DropCatalogOptions {
  /** Also what is protected. */
  readonly force?: boolean | undefined
  /** With all that is in it. */
  readonly recursive?: boolean | undefined
}

/** @throws IcebergError 404, 409 for what holds something or is protected */
export async function dropCatalog(
  context: ManagementContext,
  call: ChangeCall,
  name: string,
  { force = false, recursive = false }: DropCatalogOptions = {},
): Promise<void> {
  const { principal } = call
  return change<void>(context.catalog, call, {
    what: `catalog ${name}`,
    log: tenantLog(principal.tenantId),
    attempt: async () => {
      const row = await rowOf(context, principal, name)
      const branch = await branchOf(context, row)
      const guard = await unprotected(context.catalog, principal, thingOf(row), force)
      const inside = recursive ? undefined : await emptied(context, call, row, force)
      if (recursive && !force) await refuseProtected(context, row)
      const gone = { catalog: await located(context, row), branch, namespaces: inside?.namespaces ?? [] }
      return {
        message: recursive ? `Drop catalog ${name} with all that is in it` : `Drop catalog ${name}`,
        operations: [{ operation: 'drop-catalog', recursive, before: outcomeOf(shown(row)), after: null }],
        steps: [guard, ...dropCatalogRow(row, branch), ...(inside?.steps ?? []), ...keptFor(context, call, gone, recursive)],
        status: 204,
        outcome: null,
        answer: () => context.handles.forget(principal.tenantId),
      }
    },
    replay: () => undefined,
  })
}

/** Read before what is protected is looked for: a protection changes it. */
async function branchOf({ catalog }: ManagementContext, { tenant_id, id, name }: Row<'catalogs'>): Promise<Row<'branches'>> {
  const branch = await catalog.store.get('branches', { tenant_id, catalog_id: id, name: MAIN_BRANCH })
  if (branch === undefined) throw noSuchCatalog(name)
  return branch
}

/** What lies where its name says is to lie there under another name, too. */
async function located(context: ManagementContext, found: Row<'catalogs'>): Promise<NewRow<'catalogs'>> {
  const row = withoutVersion(found)
  const { tenant_id, name, warehouse_name: within, storage_location: at } = row
  if (at !== null || within === null) return row
  const warehouse = await context.catalog.store.get('warehouses', { tenant_id, name: within })
  if (warehouse === undefined) return row
  return { ...row, storage_location: joinLocation(context.storage.rootOf(settingsOf(warehouse, context)), name) }
}

interface Gone {
  readonly catalog: NewRow<'catalogs'>
  readonly branch: Row<'branches'>
  readonly namespaces: readonly NewRow<'namespaces'>[]
}

/** An empty catalog keeps no place, and where nothing comes back there is nothing to do for it. */
function keptFor(context: ManagementContext, call: ChangeCall, gone: Gone, recursive: boolean): Mutation[] {
  const { droppedKeptMs, now } = context.catalog
  if (!recursive && droppedKeptMs === 0) return []
  const branch = withoutVersion(gone.branch)
  const { id: principal_id, name: dropped_by } = call.principal
  const dropped_at = now()
  const dropped = { ...gone, branch, dropped_at, dropped_by, principal_id, kept_until: dropped_at + droppedKeptMs }
  return [removalStep(context.catalog, dropped, recursive ? gone.catalog.storage_location : null)]
}

/** The namespace that came with the catalog goes with it, where it is empty and all there is. */
async function emptied(context: ManagementContext, { principal }: ChangeCall, row: Row<'catalogs'>, force: boolean) {
  await refuseInUse(context, row, 'drop it')
  const all = within(row)
  const empty: Mutation[] = [
    { op: 'requireEmpty', entity: 'namespaces', index: 'primary', where: all },
    { op: 'requireEmpty', entity: 'entries', index: 'primary', where: all },
  ]
  const where = { ...all, branch: MAIN_BRANCH }
  const [first, another] = await context.catalog.store.list('namespaces', { index: 'primary', where, limit: 2 })
  if (first === undefined) return { namespaces: [], steps: empty }
  const { version: expected, ...namespace } = first
  const { parent, name, id } = namespace
  if (another !== undefined || parent !== '' || name !== FIRST_NAMESPACE[0]) throw inUse(row.name, 'drop it')
  const thing = { title: `namespace ${name} of catalog ${row.name}`, id, tenantId: row.tenant_id }
  const steps: Mutation[] = [
    { op: 'remove', entity: 'namespaces', key: { ...where, parent, name }, expected },
    await unprotected(context.catalog, principal, thing, force),
  ]
  return { namespaces: [namespace], steps: [...steps, ...empty] }
}

/** @throws IcebergError 409 that names the first table, view or namespace in the catalog that is protected */
async function refuseProtected(context: ManagementContext, row: Row<'catalogs'>): Promise<void> {
  const { store } = context.catalog
  const { tenant_id } = row
  let namespaces: ReadonlyMap<string, string> | undefined
  for await (const page of pagesOf(store, 'protections', { index: 'primary', where: { tenant_id } })) {
    for (const { object_id: id, kind } of page) {
      if (kind === 'catalog') continue
      if (kind === 'namespace') namespaces ??= await namespacesOf(context, row)
      const title = kind === 'namespace' ? namespaces?.get(id) : await entryIn(context, row, id)
      if (title === undefined) continue
      throw new IcebergError(
        'ConflictException',
        `The ${title} in catalog ${row.name} is protected: take its protection away, or drop the catalog with ?force=true as an administrator`,
      )
    }
  }
}

async function entryIn({ catalog }: ManagementContext, row: Row<'catalogs'>, id: string): Promise<string | undefined> {
  const where = { tenant_id: row.tenant_id, id }
  const [entry] = await catalog.store.list('entries', { index: 'by_id', where, limit: 1 })
  if (entry?.catalog_id !== row.id) return undefined
  return `${entry.kind} ${displayIdentifier(identifierOf(entry))}`
}

/** Ids of the namespaces, and how they are named. */
async function namespacesOf({ catalog }: ManagementContext, row: Row<'catalogs'>): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for await (const page of pagesOf(catalog.store, 'namespaces', { index: 'primary', where: within(row) })) {
    for (const { id, parent, name } of page) found.set(id, `namespace ${displayNamespace([...namespaceOfKey(parent), name])}`)
  }
  return found
}
