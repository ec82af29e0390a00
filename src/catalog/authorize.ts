/**
 * Resolve, then decide: whether the principal of a call may do what it asks with exactly the object that has the name now. What
 * a principal may see nothing of is answered as what does not exist, in here alone. Where nothing narrows the principal, nothing
 * is looked up for the decision, and the answer is there at once.
 */
import {
  boundsIn,
  isAllowed,
  isById,
  isOnWay,
  mayEver,
  namesWithin,
  needsLevelIds,
  type Action,
  type Levels,
  type Resource,
} from '../access/decide.ts'
import { named, type Bound, type NamedBound } from '../access/bounds.ts'
import type { Principal } from '../access/principal.ts'
import { hinted, notAllowed } from '../access/refusals.ts'
import { displayIdentifier, displayNamespace, noSuchNamespace, noSuchWarehouse } from '../iceberg/errors.ts'
import { isWithinNamespace } from '../iceberg/identifier.ts'
import type { Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import type { CatalogCall, CatalogContext, CatalogHandle, Namespace, TableIdentifier } from './call.ts'
import {
  entryOrNone,
  findEntry,
  identifierOf,
  namespaceIds,
  namespaceKey,
  namespaceOrNone,
  noSuch,
  ofKind,
  type Entry,
  type EntryKind,
} from './entries.ts'
import { isStillReadable } from './past.ts'
import { soon, type Soon } from './soon.ts'

export type EntryAction = Exclude<Extract<Action, `table.${string}` | `view.${string}`>, `${string}.list`>
export type NamespaceAction = Extract<Action, `namespace.${string}` | `${string}.list`>

/** Branches may have the same thing. */
const MOST_OF_ONE_ID = 16

/** What has a name. Null: nothing has. */
export type Known = { readonly id: string } | null

const NO_IDS: readonly string[] = []

/** @param known of the namespace itself, where that is known; those around it are looked up after it */
function levelsOf(context: CatalogContext, call: CatalogCall, names: Namespace, known?: Known): Soon<Levels> {
  if (!needsLevelIds(call.principal, call.catalog)) return { names, ids: NO_IDS }
  const around = known === undefined ? names : names.slice(0, -1)
  return namespaceIds(context, call.catalog, around).then((ids) => {
    const isWhole = known != null && ids.length === around.length
    return { names, ids: isWhole ? [...ids, known.id] : ids }
  })
}

/** About the catalog; use cases fill in the rest. */
const about = ({ catalog }: CatalogCall): Resource => ({ tenantId: catalog.tenantId, catalog })

const isNarrowed = ({ principal }: CatalogCall): boolean => principal.bounds?.within !== undefined

/** For principals that nothing narrows: whatever the names are. */
const byRole = (call: CatalogCall, action: Action): boolean =>
  isAllowed(call.principal, action, { ...about(call), namespace: { names: [], ids: NO_IDS }, entry: { name: '' } })

/** @param row what has the name, where that is known */
export function mayTouch(
  context: CatalogContext,
  call: CatalogCall,
  action: EntryAction,
  identifier: TableIdentifier,
  row?: Known,
): Soon<boolean> {
  if (!isNarrowed(call)) return byRole(call, action)
  const { namespace, name } = identifier
  const decided = (id: string | undefined): Soon<boolean> =>
    // The ids are read after the entry: one that was in an earlier namespace of the name is not taken for one of this.
    soon(levelsOf(context, call, namespace), (levels) =>
      isAllowed(call.principal, action, { ...about(call), namespace: levels, entry: { name, id } }),
    )
  // What is to get a name is not what has it.
  if (row !== undefined || action.endsWith('.create')) return decided(row?.id)
  return soon(findEntry(context, call.catalog, identifier), (found) => decided(found?.id))
}

/** @throws IcebergError 404 where the principal may see nothing of it, else 403 */
export function assertMayTouch(
  context: CatalogContext,
  call: CatalogCall,
  action: EntryAction,
  identifier: TableIdentifier,
  row?: Known,
): Soon<void> {
  return soon(mayTouch(context, call, action, identifier, row), (may) =>
    may ? undefined : refuseEntry(context, call, action, identifier, row),
  )
}

function refuseEntry(
  context: CatalogContext,
  call: CatalogCall,
  action: EntryAction,
  identifier: TableIdentifier,
  row: Known | undefined,
): Soon<never> {
  const { principal, catalog } = call
  const [kind, verb] = action.split('.') as [EntryKind, string]
  const refuse = (): never => {
    throw notAllowed(principal, `${action} of ${catalog.name}.${displayIdentifier(identifier)}`)
  }
  if (verb === 'create') return soon(assertMayTouchNamespace(context, call, 'namespace.see', identifier.namespace), refuse)
  const sees = isNarrowed(call) ? mayTouch(context, call, `${kind}.read`, identifier, row) : true
  return soon(sees, (isSeen) => {
    if (isSeen) return refuse()
    throw hinted(noSuch(kind, identifier), principal)
  })
}

/** A table or view for a caller that may do this with it. @throws IcebergError 404, 403 */
export function resolveEntry(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  kind: EntryKind,
  action: EntryAction = `${kind}.read`,
): Soon<Entry> {
  const { catalog } = call
  return soon(entryOrNone(context, catalog, identifier, kind), (row) =>
    soon(assertMayTouch(context, call, action, identifier, row ?? null), () => {
      const entry = ofKind(row, identifier, kind)
      if (catalog.at === undefined || !isNarrowed(call)) return entry
      return isStillReadable(context, call, entry).then((isReadable) => {
        // As at a name within its bounds that nothing has.
        if (!isReadable) throw noSuch(kind, identifier)
        return entry
      })
    }),
  )
}

/** @param row of the namespace, where that is known */
export function mayTouchNamespace(
  context: CatalogContext,
  call: CatalogCall,
  action: NamespaceAction,
  namespace: Namespace,
  row?: Known,
): Soon<boolean> {
  if (!isNarrowed(call)) return byRole(call, action)
  const { principal } = call
  const isRoot = namespace.length === 0
  return soon(levelsOf(context, call, namespace, isRoot ? undefined : row), (levels) => {
    if (isAllowed(principal, action, { ...about(call), namespace: levels })) return true
    if (!isOnWay(action)) return false
    // A principal that sees the catalog sees its root.
    if (isRoot) return isAllowed(principal, 'config.read', about(call))
    return soon(boundsNow(context, call), (within) =>
      (within ?? []).some((bound) => isWithinNamespace(bound.namespace ?? [], namespace)),
    )
  })
}

/** @throws IcebergError 404 where the principal may not see it, else 403 */
export function assertMayTouchNamespace(
  context: CatalogContext,
  call: CatalogCall,
  action: NamespaceAction,
  namespace: Namespace,
  row?: Known,
): Soon<void> {
  return soon(mayTouchNamespace(context, call, action, namespace, row), (may) => {
    if (may) return undefined
    const { principal, catalog } = call
    // Of what is to be made, that is what is around it.
    const seen = action === 'namespace.create' ? namespace.slice(0, -1) : namespace
    // To see a namespace takes no more than to lie on the way: what is refused that is not seen.
    const sees = !isOnWay(action) && (!isNarrowed(call) || mayTouchNamespace(context, call, 'namespace.see', seen))
    return soon(sees, (isSeen) => {
      if (isSeen) throw notAllowed(principal, `${action} of ${catalog.name}.${displayNamespace(namespace)}`)
      throw hinted(noSuchNamespace(seen), principal)
    })
  })
}

/** A namespace for a caller that may do this with it. @throws IcebergError 404, 403 */
export function resolveNamespace(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  action: NamespaceAction,
): Soon<Row<'namespaces'>> {
  return soon(namespaceOrNone(context, call.catalog, namespace), (row) =>
    soon(assertMayTouchNamespace(context, call, action, namespace, row ?? null), () => {
      if (row === undefined) throw noSuchNamespace(namespace)
      return row
    }),
  )
}

/**
 * The bounds of the principal in the catalog by the names that things have now, for listings and the ways to things; what is gone
 * is left out; in the past also by those that they had when the token was made. Undefined where all of the catalog is the principal's.
 */
export function boundsNow(context: CatalogContext, { principal, catalog }: CatalogCall): Soon<readonly NamedBound[] | undefined> {
  const within = boundsIn(principal, catalog)
  if (within === undefined || !within.some(isById)) return within?.map(named)
  return Promise.all(within.map((bound) => boundNow(context, catalog, bound))).then((all) =>
    all.filter((bound) => bound !== undefined),
  )
}

async function boundNow(context: CatalogContext, catalog: CatalogHandle, bound: Bound): Promise<NamedBound | undefined> {
  const { tenantId: tenant_id, id: catalog_id, branch, name } = catalog
  const isHere = (row: { readonly catalog_id: string; readonly branch: string }): boolean =>
    row.catalog_id === catalog_id && row.branch === branch
  const { namespace: namespaceId, table: tableId } = bound.ids ?? {}
  if (tableId !== undefined) {
    if (catalog.at !== undefined) {
      const then = await findEntry(context, catalog, { namespace: bound.namespace ?? [], name: bound.table ?? '' })
      if (then?.id === tableId) return named(bound)
    }
    const rows = await context.store.list('entries', { index: 'by_id', where: { tenant_id, id: tableId }, limit: MOST_OF_ONE_ID })
    const row = rows.find(isHere)
    if (row === undefined) return undefined
    const { namespace, name: table } = identifierOf(row)
    return { catalog: name, namespace: [...namespace], table }
  }
  if (namespaceId === undefined) return named(bound)
  // Namespaces get no other name, but for those that come back under one: these are within, and are found by their name alone.
  const row = await namespaceOrNone(context, catalog, bound.namespace ?? [])
  return row?.id === namespaceId ? named(bound) : undefined
}

/**
 * The steps that make a batch fail when what is made would land in another namespace than the one in which the principal may
 * make it. Each attempt asks anew.
 * @param ask whether the principal may
 */
async function guardNamespace(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  ask: () => Soon<void>,
): Promise<Mutation[]> {
  const isGuarded = isNarrowed(call) && namespace.length > 0
  // Read before what the decision reads: if that is another one, this one is gone.
  const row = isGuarded ? await namespaceOrNone(context, call.catalog, namespace) : undefined
  await ask()
  if (row === undefined) return []
  return [{ op: 'require', entity: 'namespaces', key: namespaceKey(call.catalog, namespace), expected: row.version }]
}

/** The same for something that gets a name. @throws IcebergError 404, 403 */
export const guardCreation = (
  context: CatalogContext,
  call: CatalogCall,
  action: 'table.create' | 'view.create',
  identifier: TableIdentifier,
  row?: Known,
): Promise<Mutation[]> =>
  guardNamespace(context, call, identifier.namespace, () => assertMayTouch(context, call, action, identifier, row))

/** The same for a namespace. @throws IcebergError 404, 403 */
export const guardNewNamespace = (
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  row?: Known,
): Promise<Mutation[]> =>
  guardNamespace(context, call, namespace.slice(0, -1), () =>
    assertMayTouchNamespace(context, call, 'namespace.create', namespace, row),
  )

/** Before it is known whether the commit creates its table. @throws IcebergError 404, 403 when the principal may do neither */
export const assertMayCommitTo = (context: CatalogContext, call: CatalogCall, identifier: TableIdentifier): Soon<void> =>
  soon(mayTouch(context, call, 'table.create', identifier), (may) =>
    may ? undefined : assertMayTouch(context, call, 'table.commit', identifier),
  )

/** Asked for every table of a request before any of them is worked on. @throws IcebergError 404, 403 */
export const assertMayCommit = (
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  { creates }: { readonly creates: boolean },
): Soon<void> => assertMayTouch(context, call, creates ? 'table.create' : 'table.commit', identifier)

/** Before the name is known. @throws IcebergError 404, 403 when there is no name in the namespace with which the principal may */
export function assertMayPlaceIn(
  context: CatalogContext,
  call: CatalogCall,
  action: 'table.create' | 'view.create',
  namespace: Namespace,
): Soon<void> {
  const { principal, catalog } = call
  return soon(boundsNow(context, call), (within) => {
    if (mayEver(principal, action) && namesWithin(within, namespace, 'entries')?.length !== 0) return undefined
    return soon(assertMayTouchNamespace(context, call, 'namespace.see', namespace), () => {
      throw notAllowed(principal, `${action} in ${catalog.name}.${displayNamespace(namespace)}`)
    })
  })
}

/** A catalog in which the principal may do nothing is for it as if it did not exist. @throws IcebergError 404 */
export function assertSees(principal: Principal, catalog: CatalogHandle, asked: string): CatalogHandle {
  if (isAllowed(principal, 'config.read', { tenantId: catalog.tenantId, catalog })) return catalog
  throw noSuchWarehouse(asked)
}

/** For what is about a catalog as a whole. @throws IcebergError 403 */
export function assertMayTouchCatalog(call: CatalogCall, action: Action): void {
  if (isAllowed(call.principal, action, about(call))) return
  throw notAllowed(call.principal, `${action} of ${call.catalog.name}`)
}
